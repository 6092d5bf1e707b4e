/** The steps of a long script: a line when one begins, what it gave and how long it took when it ends. */

/**
 * @template T
 * @param {string} title
 * @param {() => T | Promise<T>} action
 * @returns {Promise<T>}
 */
export async function step(title, action) {
  console.log(`== ${title}`)
  const begin = performance.now()
  const result = await action()
  if (typeof result === 'string') console.log(result.trimEnd())
  console.log(`   ${((performance.now() - begin) / 1000).toFixed(1)} s`)
  return result
}
