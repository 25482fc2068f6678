// Writes the blocks of README.md and docs/ that are made from the code.

import { readFile, writeFile } from 'node:fs/promises'
import { renderActions, renderConversations, renderReadme, renderWebhooks } from './docs.ts'

await writeFile('README.md', await renderReadme(await readFile('README.md', 'utf8')))
const conversations = 'docs/conversations.md'
await writeFile(conversations, renderConversations(await readFile(conversations, 'utf8')))
const actions = 'docs/actions.md'
await writeFile(actions, renderActions(await readFile(actions, 'utf8')))
const webhooks = 'docs/webhooks.md'
await writeFile(webhooks, await renderWebhooks(await readFile(webhooks, 'utf8')))
