import {
  BlockUserDocument,
  type ContactFieldsFragment,
  ContactNodeDocument,
  ContactsDocument,
  type ContactsQueryVariables,
  RemoveContactDocument,
  RequestContactDocument,
  RespondToContactDocument,
  UnblockUserDocument,
} from '../../generated/graphql.ts'
import type { TestApp, TestClient } from '../../support/app.ts'
import { type Scene, startScene } from '../support.ts'

// What the tests of contacts and blocks share.

export async function ask(client: TestClient, externalId: string): Promise<ContactFieldsFragment> {
  const { requestContact } = await client.run(RequestContactDocument, { input: { externalId } })
  return requestContact!.contact
}

export async function respond(client: TestClient, contactId: string, accept: boolean): Promise<ContactFieldsFragment> {
  const { respondToContact } = await client.run(RespondToContactDocument, { input: { contactId, accept } })
  return respondToContact!.contact
}

export async function remove(client: TestClient, contactId: string): Promise<string> {
  const { removeContact } = await client.run(RemoveContactDocument, { input: { contactId } })
  return removeContact!.contactId
}

/** The contacts of a client, newest first. */
export async function contactsOf(client: TestClient, variables: ContactsQueryVariables = {}) {
  const { contacts } = await client.run(ContactsDocument, variables)
  return contacts!.edges.map(({ node }) => node)
}

/** A contact as a client sees it, or null. */
export async function contactNode(client: TestClient, id: string) {
  const { node } = await client.run(ContactNodeDocument, { id })
  return node ?? null
}

export async function block(client: TestClient, userId: string): Promise<void> {
  await client.run(BlockUserDocument, { input: { userId } })
}

export async function unblock(client: TestClient, userId: string): Promise<void> {
  await client.run(UnblockUserDocument, { input: { userId } })
}

/** Makes two users contacts of each other. */
export async function befriend(app: TestApp, one: string, other: string): Promise<string> {
  const { id } = await ask(app.as(one), other)
  await respond(app.as(other), id, true)
  return id
}

/** A server on which nobody is limited in how much they do, and how many users have been made up on it. */
export async function startUnlimited(env: Record<string, string> = {}): Promise<Scene> {
  return startScene({ env: { RATE_LIMIT: '0', ...env } })
}
