import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { settingDocs } from '../src/config.ts'
import { renderActions, renderConversations, renderReadme, renderWebhooks } from './support/docs.ts'

test('README.md quotes the settings and the examples as they are (npm run generate:docs)', async () => {
  const readme = await readFile('README.md', 'utf8')
  expect(await renderReadme(readme)).toBe(readme)
})

test('docs/conversations.md has the table of permissions as the code has it (npm run generate:docs)', async () => {
  const text = await readFile('docs/conversations.md', 'utf8')
  expect(renderConversations(text)).toBe(text)
})

test('docs/actions.md has the tables of transitions as the code has them (npm run generate:docs)', async () => {
  const text = await readFile('docs/actions.md', 'utf8')
  expect(renderActions(text)).toBe(text)
})

test('docs/webhooks.md has the events, the tries and the verifier as the code has them (npm run generate:docs)', async () => {
  const text = await readFile('docs/webhooks.md', 'utf8')
  expect(await renderWebhooks(text)).toBe(text)
})

test('the map of the code names every folder of src', async () => {
  const readme = await readFile('README.md', 'utf8')
  const folders = execFileSync('git', ['ls-tree', '-d', '--name-only', 'HEAD', 'src/'], { encoding: 'utf8' })
    .trim()
    .split('\n')
  expect(folders.length).toBeGreaterThan(5)
  for (const folder of folders) expect(readme).toContain(`| \`${folder}\` |`)
})

test('every npm script that README.md names is there', async () => {
  const readme = await readFile('README.md', 'utf8')
  const { scripts } = JSON.parse(await readFile('package.json', 'utf8')) as { scripts: Record<string, string> }
  const named = [...readme.matchAll(/npm run (?:--silent )?([\w:]+)/g)].map(([, name]) => name!)
  expect(named.length).toBeGreaterThan(3)
  for (const name of named) expect(scripts).toHaveProperty([name])
})

test('every setting says its default', () => {
  for (const { name, doc } of settingDocs) expect(`${name}: ${doc}`).toMatch(/Default|DATABASE_URL/)
})
