// Prisma's schema engine as WebAssembly: the native one would have to be downloaded at run time.

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { PrismaPg } from '@prisma/adapter-pg'
import {
  bindMigrationAwareSqlAdapterFactory,
  DriverAdapterError,
  type SqlDriverAdapter,
} from '@prisma/driver-adapter-utils'
import type { SchemaEngine } from '@prisma/schema-engine-wasm/schema_engine_bg'
import pg from 'pg'

/** Everything is Prisma's to manage. */
export const NO_FILTERS = { externalTables: [], externalEnums: [] }

type RunScript = (script: string, pool: pg.Pool) => Promise<unknown>

/** A connection for the engine, and only one, as it holds a lock. `runScript`: how to run a migration. */
export async function openAdapter(
  config: pg.PoolConfig,
  schema: string,
  runScript: RunScript = (script, pool) => pool.query(script),
): Promise<SqlDriverAdapter & { underlyingDriver(): pg.Pool }> {
  const pool = new pg.Pool({ ...config, max: 1 })
  const adapter = await new PrismaPg(pool, { schema, disposeExternalPool: true }).connect()
  // Prisma's own splits a script at every semicolon, also within a function's body; PostgreSQL takes it whole.
  adapter.executeScript = async (script) => {
    try {
      await runScript(script, pool)
    } catch (error) {
      const {
        code = '',
        severity = 'ERROR',
        message,
        detail,
        column,
        hint,
      } = error as Partial<pg.DatabaseError> & Error
      throw new DriverAdapterError({ kind: 'postgres', code, severity, message, detail, column, hint })
    }
  }
  return adapter
}

/**
 * Prisma's schema engine over a connection, to be freed by the caller. `openShadow`: another connection, to an empty
 * database to try migrations in; needed to compare, not to apply.
 */
export async function openEngine(
  adapter: SqlDriverAdapter,
  openShadow: () => Promise<SqlDriverAdapter> = () => Promise.reject(new Error('there is no shadow database')),
): Promise<SchemaEngine> {
  loaded ??= loadEngine()
  const factory = bindMigrationAwareSqlAdapterFactory({
    provider: adapter.provider,
    adapterName: adapter.adapterName,
    connect: async () => adapter,
    connectToShadowDb: openShadow,
  })
  return (await loaded).new({ datamodels: undefined }, () => {}, factory)
}

let loaded: Promise<typeof SchemaEngine> | undefined

/** What wasm-bindgen makes besides what it declares. */
type Glue = typeof import('@prisma/schema-engine-wasm/schema_engine_bg') & {
  __wbg_set_wasm(exports: object): void
  [imported: string]: WebAssembly.ImportValue
}

async function loadEngine(): Promise<typeof SchemaEngine> {
  const glue = (await import('@prisma/schema-engine-wasm/schema_engine_bg')) as Glue
  const file = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm/schema_engine_bg')
  const imports = Object.fromEntries(
    Object.entries(glue).map(([name, value]) => [name, name.startsWith('__wbg_setTimeout') ? unrefTimeout : value]),
  )
  const module = await WebAssembly.compile(await readFile(file.replace(/\.js$/, '.wasm')))
  const instance = await WebAssembly.instantiate(module, { './schema_engine_bg.js': imports })
  glue.__wbg_set_wasm(instance.exports)
  // Without it a panic says nothing but "unreachable".
  Object.assign(globalThis, { PRISMA_WASM_PANIC_REGISTRY: { set_message: panicked } })
  ;(instance.exports.__wbindgen_start as () => void)()
  return glue.SchemaEngine
}

/** The engine never clears its timer for the lock, which would keep the process alive for 10 s. */
function unrefTimeout(callback: () => void, milliseconds: number): NodeJS.Timeout {
  return setTimeout(callback, milliseconds).unref()
}

function panicked(message: string): never {
  throw new Error(`Prisma's schema engine: ${message.replaceAll('\n', ' ')}`)
}
