import { defineConfig } from 'prisma/config'

// The CLI downloads a native schema engine for every command, `generate` too, which never runs it. Migrations go
// through the engine's WebAssembly build (src/db/migrate.ts), so any executable will do here.
process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: process.env.DATABASE_URL ?? 'postgresql://unset' },
})
