/** Numbers that look random; without vitest, for programs in processes of their own. */

/** A sequence of numbers in [-1, 1) that is the same on every machine, whatever the package's generator gives. */
export function numbers(seed: number): () => number {
  let state = (seed * 2654435761 + 1) >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 31 - 1
  }
}
