import { readdir, readFile } from 'node:fs/promises'
import { parse, validate } from 'graphql'
import { expect, test } from 'vitest'
import { schema } from '../src/schema/index.ts'

test('every GraphQL operation in README.md and docs fits the schema', async () => {
  const files = ['README.md', ...(await readdir('docs')).map((name) => `docs/${name}`)]
  let count = 0
  for (const file of files) {
    const text = await readFile(file, 'utf8')
    for (const [, document] of text.matchAll(/^```graphql\n(.*?)^```$/gms)) {
      count++
      expect(validate(schema, parse(document!)), file).toEqual([])
    }
  }
  expect(count).toBeGreaterThan(2)
})
