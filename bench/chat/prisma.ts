import { PrismaPg } from '@prisma/adapter-pg'
import type * as client from '../../src/db/generated/client.ts'
import { benchArgs } from '../harness/protocol.ts'
import { loadBuilt } from './built.ts'

/** What the sides with a database are started with. */
export interface ChatArgs {
  databaseUrl: string
}

/** As many connections as Parley has by default. */
export const CONNECTIONS = 10

/** A client of Parley's own model, on its driver for PostgreSQL; as it is built, like Parley itself. */
export async function openPrisma(): Promise<client.PrismaClient> {
  const { PrismaClient } = (await loadBuilt('db/generated/client')) as typeof client
  const { databaseUrl } = benchArgs<ChatArgs>()
  return new PrismaClient({ adapter: new PrismaPg({ connectionString: databaseUrl, max: CONNECTIONS }) })
}
