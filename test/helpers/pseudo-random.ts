/** Pseudo-random numbers; without vitest, so that child processes can use them. */

/** A sequence of numbers in [-1, 1), the same on every machine and independent of the package's generator. */
export function numbers(seed: number): () => number {
  let state = (seed * 2654435761 + 1) >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 31 - 1
  }
}
