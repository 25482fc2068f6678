// Writes schema.graphql: the schema as the code has it.

import { writeFileSync } from 'node:fs'
import { printSchema } from 'graphql'
import { schema } from '../../src/schema/index.ts'

writeFileSync(new URL('../../schema.graphql', import.meta.url), `${printSchema(schema)}\n`)
