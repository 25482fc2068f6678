import type { Query } from '../../../db/client.ts'
import type { ConversationRow, MessageRow, ParticipantRow, ReadAdvanceRow, UserRow } from './rows.ts'

interface Tables {
  users: UserRow
  conversations: ConversationRow
  participants: ParticipantRow
  messages: MessageRow
  read_advances: ReadAdvanceRow
}

/** The columns that are written, with their types. */
const COLUMNS: { [Table in keyof Tables]: Record<keyof Tables[Table], string> } = {
  users: {
    id: 'uuid',
    external_id: 'text',
    username: 'text',
    display_name: 'text',
    email: 'text',
    avatar_url: 'text',
    role: 'text',
    type: 'user_type',
    words: 'text[]',
    created_at: 'timestamptz',
    updated_at: 'timestamptz',
  },
  conversations: {
    id: 'uuid',
    kind: 'conversation_kind',
    title: 'text',
    subject_id: 'text',
    summary: 'text',
    key_topics: 'text[]',
    tags: 'text[]',
    metadata: 'jsonb',
    opening_key: 'text',
    direct_key: 'text',
    last_seq: 'int',
    version: 'int',
    details_version: 'int',
    message_count: 'int',
    participant_count: 'int',
    closed_at: 'timestamptz',
    deleted_at: 'timestamptz',
    last_message_at: 'timestamptz',
    activity_at: 'timestamptz',
    created_at: 'timestamptz',
    updated_at: 'timestamptz',
  },
  participants: {
    conversation_id: 'uuid',
    user_id: 'uuid',
    role: 'participant_role',
    joined_at: 'timestamptz',
    left_at: 'timestamptz',
    visible_from_seq: 'int',
    last_read_seq: 'int',
    last_read_at: 'timestamptz',
    archived_seq: 'int',
    is_pinned: 'boolean',
    is_favorited: 'boolean',
    muted_until: 'timestamptz',
    change: 'participant_change',
    version: 'int',
  },
  messages: {
    conversation_id: 'uuid',
    seq: 'int',
    version: 'int',
    sender_id: 'uuid',
    kind: 'message_kind',
    body: 'text',
    reply_to_seq: 'int',
    created_at: 'timestamptz',
  },
  read_advances: { conversation_id: 'uuid', user_id: 'uuid', seq: 'int', from_seq: 'int', read_at: 'timestamptz' },
}

/** Columns for the transaction's stamp. Imported rows have none: whoever resumes an inbox is not sent them as news. */
const STAMPS: Partial<Record<keyof Tables, string[]>> = {
  conversations: ['xid'],
  participants: ['xid', 'state_xid'],
  messages: ['xid'],
}

const BATCH = 5_000

/** Inserts rows, thousands in a statement. */
export async function insertRows<Table extends keyof Tables>(query: Query, table: Table, rows: Tables[Table][]) {
  const columns = Object.entries(COLUMNS[table]) as [keyof Tables[Table] & string, string][]
  const names = columns.map(([name]) => name)
  const stamps = STAMPS[table] ?? []
  const statement = `
    INSERT INTO ${table} (${[...names, ...stamps]})
         SELECT ${[...columns.map(([name, type]) => stored(name, type)), ...stamps.map(() => 'NULL')]}
           FROM unnest(${columns.map(([, type], index) => `$${index + 1}::${parameterType(type)}[]`)}) AS given (${names})`
  for (let start = 0; start < rows.length; start += BATCH) {
    const batch = rows.slice(start, start + BATCH)
    await query(
      statement,
      columns.map(([name, type]) => batch.map((row) => (type === 'text[]' ? arrayLiteral(row[name]) : row[name]))),
    )
  }
}

// Times go as numbers; an array as text, as unnest would take an array of arrays apart to the last element.

function parameterType(type: string): string {
  if (type === 'timestamptz') return 'float8'
  return type === 'text[]' ? 'text' : type
}

function stored(name: string, type: string): string {
  if (type === 'timestamptz') return `to_timestamp(${name} / 1000)`
  return type === 'text[]' ? `${name}::text[]` : name
}

function arrayLiteral(items: unknown): string {
  return `{${(items as string[]).map((item) => `"${item.replaceAll(/["\\]/g, '\\$&')}"`)}}`
}
