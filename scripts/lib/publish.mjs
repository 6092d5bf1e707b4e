/** Publishing tarballs in their order, so that it can be done again after it stopped half-way. */

import { Stop } from './run.mjs'

/** Whether a registry has this version. */
async function isPublished(npm, { name, version }) {
  try {
    await npm(['view', `${name}@${version}`, 'version'])
    return true
  } catch (error) {
    if (error instanceof Stop && /E404/.test(error.output)) return false
    throw error
  }
}

/**
 * Publishes what the registry does not have yet.
 *
 * @param {(args: string[]) => Promise<string>} npm runs npm
 * @param {{ name: string, version: string, tarball: string }[]} packages the platform packages, then @elman/rnn
 * @param {string[]} options more arguments of `npm publish`
 * @returns {Promise<{ published: string[], present: string[] }>} what was published, and what was there before
 */
export async function publishAll(npm, packages, options = []) {
  const done = { published: [], present: [] }
  const publish = async (one) => {
    const label = `${one.name}@${one.version}`
    if (await isPublished(npm, one)) {
      done.present.push(label)
      return
    }
    // A version with a hyphen, as 1.0.0-rc.1, must not become what `npm install` gives.
    const tag = one.version.includes('-') ? 'next' : 'latest'
    await npm(['publish', one.tarball, '--access', 'public', '--tag', tag, ...options])
    done.published.push(label)
  }
  // The platform packages in parallel; @elman/rnn only when all of them are published.
  const outcomes = await Promise.allSettled(packages.slice(0, -1).map(publish))
  const failed = outcomes.find(({ status }) => status === 'rejected')
  if (failed) throw failed.reason
  await publish(packages[packages.length - 1])
  return done
}
