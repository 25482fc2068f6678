import { openDb } from '../../src/db/client.ts'
import { DEFAULT_SIZES, type SeedSizes, seedDemoData } from '../../src/features/demo/seed.ts'
import { createLogger } from '../../src/lib/log.ts'

/** Fills a database with the demonstration data, as `parley seed` does; sizes left out are its defaults. */
export async function seedDatabase(url: string, sizes: Partial<SeedSizes> = {}): Promise<boolean> {
  const db = await openDb({ url, poolSize: 1, log: createLogger('silent') })
  try {
    return await seedDemoData(db, { ...DEFAULT_SIZES, ...sizes })
  } finally {
    await db.close()
  }
}
