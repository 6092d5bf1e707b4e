import { defineConfig } from 'vitest/config'

// The tests import '@elman/rnn' as a user does: the built files of dist/, through the exports of package.json.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    testTimeout: 30_000,
    // Node itself loads dist/, so that `import` and `require` give the same classes here too.
    server: { deps: { external: [/\/dist\//] } },
    typecheck: {
      enabled: true,
      include: ['test/**/*.test-d.ts'],
      tsconfig: 'test/tsconfig.json',
    },
  },
})
