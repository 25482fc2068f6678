// A process of its own that applies the migrations of a folder to the database of a URL, and prints their names.

import { migrate } from '../../src/db/migrate.ts'

const [url, folder] = process.argv.slice(2) as [string, string]
process.stdout.write(JSON.stringify(await migrate(url, folder)))
