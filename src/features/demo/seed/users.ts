import { wordsOf } from '../../users/words.ts'
import { DEMO_USERS } from '../users.ts'
import type { Random } from './random.ts'
import type { UserRow } from './rows.ts'
import { AGENTS, FIRST_NAMES, LAST_NAMES, OTHER_NAMES } from './texts.ts'

/** The demo users, the agents, then people: `demo-6` is the sixth user. They came one after the other in this time. */
export function makeUsers(random: Random, count: number, [from, to]: [number, number]): UserRow[] {
  return Array.from({ length: count }, (_, index) => {
    const createdAt = from + Math.floor(((to - from) * index) / count)
    const { externalId, username, name } = identity(random, index)
    const isAgent = index >= DEMO_USERS.length && index < DEMO_USERS.length + AGENTS.length
    return {
      id: random.uuid(createdAt),
      external_id: externalId,
      username,
      display_name: name,
      email: `${externalId}@example.com`,
      avatar_url: random.chance(0.5) ? `https://example.com/avatars/${externalId}.png` : null,
      role: isAgent ? null : random.pick(['client', 'freelancer', null]),
      type: isAgent ? 'AGENT' : 'HUMAN',
      words: wordsOf(username, name),
      created_at: createdAt,
      updated_at: createdAt,
    }
  })
}

function identity(random: Random, index: number): { externalId: string; username: string; name: string } {
  const demo = DEMO_USERS[index]
  if (demo) return { externalId: demo.sub, username: demo.sub, name: demo.name }
  const externalId = `demo-${index + 1}`
  const agent = AGENTS[index - DEMO_USERS.length]
  if (agent) return { externalId, username: externalId, name: agent }
  if (random.chance(0.2)) {
    const [name, username] = random.pick(OTHER_NAMES)
    return { externalId, username: `${username}${index + 1}`, name }
  }
  const name = `${random.pick(FIRST_NAMES)} ${random.pick(LAST_NAMES)}`
  return { externalId, username: `${plain(name)}${index + 1}`, name }
}

/** Mara O’Brien as mara.obrien. */
function plain(name: string): string {
  return name
    .normalize('NFD')
    .toLowerCase()
    .replace(/[^a-z ]/g, '')
    .replaceAll(' ', '.')
}
