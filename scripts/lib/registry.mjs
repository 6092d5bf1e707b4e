/**
 * An npm registry of one's own on loopback, with temporary storage and no way to any other registry: verdaccio; and npm
 * with a configuration of its own, so that the user's is neither read nor written.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { runNpm } from './run.mjs'

/** The environment without npm's settings, those of a surrounding `npm run` included. */
function plainEnvironment() {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^npm_config_|^node_auth_token$/i.test(name)),
  )
}

/**
 * Starts a registry that lasts until `close`.
 *
 * @param {string} folder for its files
 */
export async function openRegistry(folder) {
  mkdirSync(folder, { recursive: true })
  const config = join(folder, 'config.yaml')
  writeFileSync(
    config,
    [
      `storage: ${JSON.stringify(join(folder, 'storage'))}`,
      `auth: { htpasswd: { file: ${JSON.stringify(join(folder, 'htpasswd'))} } }`,
      'uplinks: {}',
      "packages: { '@elman/*': { access: $all, publish: $all } }",
      `logs: { type: file, path: ${JSON.stringify(join(folder, 'log'))}, level: warn }`,
      'web: { enable: false }',
      'max_body_size: 100mb',
    ].join('\n'),
  )
  const { runServer } = createRequire(import.meta.url)('verdaccio')
  const server = await runServer(config)
  await new Promise((resolve, reject) => {
    server.on('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const host = `127.0.0.1:${server.address().port}`
  const registry = `http://${host}/`

  const userconfig = join(folder, 'npmrc')
  // npm publishes only with a token; this registry takes any.
  writeFileSync(userconfig, `registry=${registry}\n//${host}/:_authToken=none\n`)
  const env = {
    ...plainEnvironment(),
    npm_config_userconfig: userconfig,
    npm_config_globalconfig: join(folder, 'no-npmrc'),
    npm_config_cache: join(folder, 'cache'),
    npm_config_registry: registry,
    npm_config_noproxy: '127.0.0.1',
    npm_config_update_notifier: 'false',
    npm_config_audit: 'false',
    npm_config_fund: 'false',
  }
  return {
    registry,
    env,
    /** Runs npm against this registry. */
    npm: (args, options = {}) =>
      runNpm(args, { ...options, bare: true, env: { ...env, ...options.env } }),
    close: () => new Promise((resolve) => server.close(resolve).closeAllConnections()),
  }
}
