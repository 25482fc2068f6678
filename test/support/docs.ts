import { readFile } from 'node:fs/promises'
import { settingDocs } from '../../src/config.ts'
import { PERMISSIONS } from '../../src/features/conversations/permissions.ts'
import { DISPUTE_TRANSITIONS, PAYMENT_TRANSITIONS } from '../../src/features/integrations/transitions.ts'
import { EVENT_TYPES } from '../../src/features/webhooks/event-types.ts'
import { RETRY_DELAYS_MS } from '../../src/features/webhooks/retries.ts'

/** README.md with its blocks made anew: the table of settings, and the files that it quotes. */
export async function renderReadme(text: string): Promise<string> {
  const settings = settingDocs.map(({ name, doc }) => `| \`${name}\` | ${doc} |`).join('\n')
  return quoteFiles(fill(text, 'settings', `| Setting | Meaning |\n| --- | --- |\n${settings}`))
}

async function quoteFiles(text: string): Promise<string> {
  let quoted = text
  for (const [, file] of text.matchAll(/<!-- file: (\S+) -->/g)) {
    const code = (await readFile(file!, 'utf8')).trim()
    quoted = fill(quoted, `file: ${file}`, `\`\`\`ts\n${code}\n\`\`\``)
  }
  return quoted
}

/** docs/webhooks.md with its tables of events and tries and the example made anew. */
export async function renderWebhooks(text: string): Promise<string> {
  const events = Object.entries(EVENT_TYPES).map(([type, when]) => `| \`${type}\` | ${when} |`)
  const tries = RETRY_DELAYS_MS.map((delay, index) => `| ${index + 2} | ${inWords(delay)} |`)
  const withEvents = fill(text, 'events', ['| Type | When |\n| --- | --- |', ...events].join('\n'))
  const withTries = fill(withEvents, 'tries', ['| Try | After the one before |\n| --- | --- |', ...tries].join('\n'))
  return quoteFiles(withTries)
}

function inWords(ms: number): string {
  const [size, unit] = (
    [
      [3_600_000, 'h'],
      [60_000, 'min'],
      [1_000, 's'],
    ] as const
  ).find(([each]) => ms >= each)!
  return `${ms / size} ${unit}`
}

/** docs/conversations.md with its table of permissions made anew. */
export function renderConversations(text: string): string {
  const rows = Object.entries(PERMISSIONS).map(
    ([action, { DIRECT, GROUP, ROOM, ROLEPLAY }]) =>
      `| ${DOING[action as keyof typeof DOING]} | ${DIRECT} | ${GROUP} | ${ROOM} | ${ROLEPLAY} |`,
  )
  const head = '| | `DIRECT` | `GROUP` | `JOB`, `SUPPORT`, `GENERAL` | `ROLEPLAY` |\n| --- | --- | --- | --- | --- |'
  const first = '| read, send, type, mark as read | participant | participant | participant | participant |'
  return fill(text, 'permissions', [head, first, ...rows].join('\n'))
}

const DOING: Record<keyof typeof PERMISSIONS, string> = {
  update: 'change title, summary, topics, tags, metadata',
  changeParticipants: 'add and remove participants',
  changeRoles: 'change roles',
  leave: 'leave',
  close: 'close and reopen',
  delete: 'delete',
  deleteMessage: 'delete messages of others',
}

/** docs/actions.md with its tables of transitions made anew. */
export function renderActions(text: string): string {
  const disputes = fill(text, 'dispute transitions', transitions(DISPUTE_TRANSITIONS))
  return fill(disputes, 'payment transitions', transitions(PAYMENT_TRANSITIONS))
}

/** A row for each status, and what may follow it. */
function transitions(table: Record<string, readonly string[]>): string {
  const rows = Object.entries(table).map(([from, to]) => {
    const next = to.length > 0 ? to.map((status) => `\`${status}\``).join(', ') : '- (final)'
    return `| \`${from}\` | ${next} |`
  })
  return ['| Status | May become |', '| --- | --- |', ...rows].join('\n')
}

function fill(text: string, name: string, content: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const [from, to] = [text.indexOf(begin), text.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`There is no block ${begin} … ${end}`)
  return `${text.slice(0, from + begin.length)}\n${content}\n${text.slice(to)}`
}
