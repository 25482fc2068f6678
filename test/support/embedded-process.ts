// A process of its own that starts the embedded PostgreSQL in the folder given, says so, and stops it when told to:
// what the tests of src/db/embedded.ts kill.

import { once } from 'node:events'
import { startEmbeddedPostgres } from '../../src/db/embedded.ts'
import { createLogger } from '../../src/lib/log.ts'

const { stop, ...started } = await startEmbeddedPostgres({ dataDir: process.argv[2]!, log: createLogger('silent') })
process.stdout.write(`${JSON.stringify(started)}\n`)
await once(process.stdin, 'data')
await stop()
process.stdin.destroy()
