// Writes the blocks of README.md and docs/ that are made from the code.

import { readFile, writeFile } from 'node:fs/promises'
import { renderConversations, renderReadme } from './docs.ts'

await writeFile('README.md', await renderReadme(await readFile('README.md', 'utf8')))
const conversations = 'docs/conversations.md'
await writeFile(conversations, renderConversations(await readFile(conversations, 'utf8')))
