import { readFile } from 'node:fs/promises'
import { settingDocs } from '../../src/config.ts'
import { PERMISSIONS } from '../../src/features/conversations/permissions.ts'

/** README.md with its blocks made anew: the table of settings, and the files that it quotes. */
export async function renderReadme(text: string): Promise<string> {
  const settings = settingDocs.map(({ name, doc }) => `| \`${name}\` | ${doc} |`).join('\n')
  let readme = fill(text, 'settings', `| Setting | Meaning |\n| --- | --- |\n${settings}`)
  for (const [, file] of text.matchAll(/<!-- file: (\S+) -->/g)) {
    const code = (await readFile(file!, 'utf8')).trim()
    readme = fill(readme, `file: ${file}`, `\`\`\`ts\n${code}\n\`\`\``)
  }
  return readme
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

function fill(text: string, name: string, content: string): string {
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`]
  const [from, to] = [text.indexOf(begin), text.indexOf(end)]
  if (from < 0 || to < from) throw new Error(`There is no block ${begin} … ${end}`)
  return `${text.slice(0, from + begin.length)}\n${content}\n${text.slice(to)}`
}
