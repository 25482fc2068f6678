import { decodeId } from '../../../src/lib/ids.ts'
import {
  ChangedMessageDocument,
  type ChangedMessageFragment,
  DeleteMessageDocument,
  EditMessageDocument,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import type { Row, Scene } from '../support.ts'

// What the tests of editing and deleting share.

/** Edits a message and gives it back as the answer has it. */
export async function edit(client: TestClient, messageId: string, body: string): Promise<ChangedMessageFragment> {
  const { editMessage } = await client.run(EditMessageDocument, { input: { messageId, body } })
  return editMessage!.message
}

/** Deletes a message and gives back its tombstone. */
export async function remove(client: TestClient, messageId: string): Promise<ChangedMessageFragment> {
  const { deleteMessage } = await client.run(DeleteMessageDocument, { input: { messageId } })
  return deleteMessage!.message
}

/** A message as another request finds it. */
export async function find(client: TestClient, id: string): Promise<ChangedMessageFragment> {
  const { node } = await client.run(ChangedMessageDocument, { id })
  return node as ChangedMessageFragment
}

/** What is kept of a message's earlier bodies, oldest first. */
export async function revisionsOf({ sql }: Scene, messageId: string): Promise<Row[]> {
  return sql(
    'SELECT version, body FROM message_revisions WHERE conversation_id = $1 AND seq = $2 ORDER BY version',
    decodeId(messageId)!.key,
  )
}
