import type { TypedDocumentNode } from '@graphql-typed-document-node/core'
import { expect } from 'vitest'
import {
  ActionHistoryDocument,
  type ActionMessageFragment,
  CreateDisputeDocument,
  type CreateDisputeInput,
  type DisputeStatus,
  InitiatePaymentDocument,
  type InitiatePaymentInput,
  type PaymentStatus,
  PostJobUpdateDocument,
  type PostJobUpdateInput,
  UpdateDisputeStatusDocument,
  type UpdateDisputeStatusInput,
  UpdatePaymentStatusDocument,
  type UpdatePaymentStatusInput,
} from '../../generated/graphql.ts'
import type { TestClient } from '../../support/app.ts'
import { type Refusal, type Row, refusalIn, type Scene } from '../support.ts'

// What the tests of disputes, payments and job updates share.

export async function createDispute(
  client: TestClient,
  input: Omit<CreateDisputeInput, 'reason'> & { reason?: string },
) {
  const { createDispute } = await client.run(CreateDisputeDocument, { input: { reason: 'Not as agreed', ...input } })
  return createDispute!
}

export async function moveDispute(
  client: TestClient,
  disputeId: string,
  status: DisputeStatus,
  more: Partial<UpdateDisputeStatusInput> = {},
) {
  const { updateDisputeStatus } = await client.run(UpdateDisputeStatusDocument, {
    input: { disputeId, status, ...more },
  })
  return updateDisputeStatus!
}

export async function initiatePayment(
  client: TestClient,
  input: Pick<InitiatePaymentInput, 'conversationId' | 'payeeId'> & Partial<InitiatePaymentInput>,
) {
  const { initiatePayment } = await client.run(InitiatePaymentDocument, {
    input: { amount: 1250, currency: 'EUR', ...input },
  })
  return initiatePayment!
}

export async function movePayment(
  client: TestClient,
  paymentId: string,
  status: PaymentStatus,
  more: Partial<UpdatePaymentStatusInput> = {},
) {
  const { updatePaymentStatus } = await client.run(UpdatePaymentStatusDocument, {
    input: { paymentId, status, ...more },
  })
  return updatePaymentStatus!
}

export async function postJobUpdate(
  client: TestClient,
  input: Omit<PostJobUpdateInput, 'status'> & { status?: string },
) {
  const { postJobUpdate } = await client.run(PostJobUpdateDocument, { input: { status: 'started', ...input } })
  return postJobUpdate!
}

/** The messages of a conversation, oldest first. */
export async function historyOf(client: TestClient, id: string): Promise<ActionMessageFragment[]> {
  const { conversation } = await client.run(ActionHistoryDocument, { id })
  return conversation!.messages.edges.map(({ node }) => node)
}

const TABLES = ['disputes', 'payments', 'job_updates', 'messages', 'conversations', 'idempotency_keys']

/** All that an action may write. */
export async function written({ sql }: Scene): Promise<Record<string, Row[]>> {
  const contents: Record<string, Row[]> = {}
  for (const table of TABLES) contents[table] = await sql(`SELECT * FROM ${table} ORDER BY 1, 2, 3`)
  return contents
}

/** That an operation is refused for this reason alone, and nothing is written. */
export async function expectRefused<Data, Input>(
  scene: Scene,
  client: TestClient,
  document: TypedDocumentNode<Data, { input: Input }>,
  input: Input,
  refusal: Refusal,
): Promise<void> {
  const before = await written(scene)
  const answer = await client.execute(document as TypedDocumentNode<Data, Record<string, unknown>>, { input })
  expect(refusalIn(answer)).toEqual(refusal)
  expect(await written(scene)).toEqual(before)
}

/** While `run` goes on, whatever this does to a table fails. */
export async function whileFailing(
  { sql }: Scene,
  on: `${'INSERT' | 'UPDATE'} ON ${string}`,
  run: () => Promise<void>,
): Promise<void> {
  await sql(`CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'as the test wants it'; END $$`)
  await sql(`CREATE TRIGGER fail BEFORE ${on} FOR EACH ROW EXECUTE FUNCTION fail()`)
  try {
    await run()
  } finally {
    await sql('DROP FUNCTION fail CASCADE')
  }
}
