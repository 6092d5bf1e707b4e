/** Running TypeScript of this repository in a Node of its own. */

/** What Node is told before the file; where @elman/rnn is, it knows from the environment (scripts/bench.mjs). */
export const typescript: readonly string[] = ['--require', require.resolve('tsx/cjs')]
