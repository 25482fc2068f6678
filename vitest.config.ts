import { defineConfig } from 'vitest/config'

export default defineConfig({
  // One copy of graphql: vite would otherwise load its ESM build beside the CommonJS one that the libraries require.
  resolve: { alias: [{ find: /^graphql$/, replacement: 'graphql/index.js' }] },
  test: {
    globalSetup: ['test/support/global-setup.ts'],
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
})
