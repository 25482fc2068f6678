import { ContactStatus as Statuses } from '../../db/generated/enums.ts'
import { encodeId } from '../../lib/ids.ts'
import { type ContactChange, contactChanges } from '../../live/contact-updated.ts'
import { builder } from '../../schema/builder.ts'
import { loadableNode } from '../../schema/loadable-node.ts'
import { nodeId } from '../../schema/node-ids.ts'
import { connectionOf } from '../../schema/pagination.ts'
import { User } from '../users/schema.ts'
import {
  type ContactRow,
  contactRowCursor,
  listContacts,
  loadContacts,
  removeContact,
  requestContact,
  respondToContact,
} from './contacts.ts'

const ContactStatus = builder.enumType('ContactStatus', {
  description: 'What became of a request for contact.',
  values: {
    [Statuses.PENDING]: { description: 'Not answered yet.' },
    [Statuses.ACCEPTED]: { description: 'The two are in contact.' },
    [Statuses.DECLINED]: { description: 'Whom it was asked of did not want it.' },
  },
})

export const Contact = loadableNode<ContactRow>('Contact', {
  id: nodeId((row: ContactRow) => row.id),
  load: (ids: string[], ctx) => loadContacts(ctx, ids) as Promise<ContactRow[]>,
})

Contact.implement({
  description:
    'A request of one user to be in contact with another, and what became of it. One for each pair; only the two and services see it.',
  fields: (t) => ({
    requester: t.field({ type: User, description: 'Who asked.', resolve: (row) => row.requesterId }),
    addressee: t.field({ type: User, description: 'Who was asked.', resolve: (row) => row.addresseeId }),
    status: t.field({ type: ContactStatus, description: 'What became of it.', resolve: (row) => row.status }),
    createdAt: t.expose('createdAt', { type: 'DateTime', description: 'When it was asked.' }),
    respondedAt: t.expose('respondedAt', {
      type: 'DateTime',
      nullable: true,
      description: 'When it was answered; null as long as it is not.',
    }),
  }),
})

const ContactConnection = builder.connectionObject(
  { type: Contact, name: 'ContactConnection', description: 'A page of contacts.' },
  { name: 'ContactEdge', description: 'A contact in a page.' },
)

builder.queryField('contacts', (t) =>
  t.field({
    type: ContactConnection,
    nullable: true,
    description:
      "The viewer's contacts and requests, those of others too, newest first. `first` is from 1 to 100, 50 if left out.",
    args: {
      status: t.arg({ type: ContactStatus, description: 'Only those of which this became; all if left out.' }),
      first: t.arg.int({ description: 'How many, from the newest or from `after` on.' }),
      after: t.arg.string({ description: 'Only those after this cursor.' }),
    },
    resolve: async (_root, args, ctx) => connectionOf(await listContacts(ctx, args), contactRowCursor),
  }),
)

const RequestContactInput = builder.inputType('RequestContactInput', {
  description: 'Whom to ask, named by one of the two.',
  fields: (t) => ({
    userId: t.id({ description: 'The id of a User.' }),
    externalId: t.string({ description: 'The id that the host application knows the user by.' }),
  }),
})

/** The payload of a mutation that gives back the contact and nothing else. */
function contactPayload(name: string) {
  return builder.simpleObject(name, {
    description: 'What was done.',
    fields: (t) => ({ contact: t.field({ type: Contact, description: 'The contact as it is now.' }) }),
  })
}

const RequestContactPayload = contactPayload('RequestContactPayload')

const RespondToContactInput = builder.inputType('RespondToContactInput', {
  description: 'An answer to a request for contact.',
  fields: (t) => ({
    contactId: t.id({ required: true, description: 'The id of a Contact.' }),
    accept: t.boolean({ required: true, description: 'True to accept, false to decline.' }),
  }),
})

const RespondToContactPayload = contactPayload('RespondToContactPayload')

const RemoveContactInput = builder.inputType('RemoveContactInput', {
  description: 'Which contact.',
  fields: (t) => ({ contactId: t.id({ required: true, description: 'The id of a Contact.' }) }),
})

const RemoveContactPayload = builder.simpleObject('RemoveContactPayload', {
  description: 'What was done.',
  fields: (t) => ({ contactId: t.id({ description: 'The id of the contact, which is no more.' }) }),
})

builder.mutationFields((t) => ({
  requestContact: t.field({
    type: RequestContactPayload,
    nullable: true,
    description:
      'Asks a user for contact. Asked again, the first request is given back; where the other one had asked, the contact is accepted; whoever was declined stays so. NOT_FOUND for an unknown user, BAD_USER_INPUT with oneself, FORBIDDEN for one who was deactivated, CONFLICT for one whom the viewer blocks.',
    args: { input: t.arg({ type: RequestContactInput, required: true, description: 'Whom to ask.' }) },
    resolve: async (_root, { input }, ctx) => ({ contact: await requestContact(ctx, input) }),
  }),
  respondToContact: t.field({
    type: RespondToContactPayload,
    nullable: true,
    description:
      "Accepts or declines a request. The same answer again changes nothing. NOT_FOUND for what one can't see, FORBIDDEN for one's own request, CONFLICT for one that was answered otherwise, and for accepting somebody whom the viewer blocks.",
    args: { input: t.arg({ type: RespondToContactInput, required: true, description: 'Which, and how.' }) },
    resolve: async (_root, { input }, ctx) => ({ contact: await respondToContact(ctx, input) }),
  }),
  removeContact: t.field({
    type: RemoveContactPayload,
    nullable: true,
    description:
      "Withdraws a request of one's own, or ends the contact. NOT_FOUND for what one can't see, FORBIDDEN for a request that one is to answer by respondToContact, and for one's own that was declined.",
    args: { input: t.arg({ type: RemoveContactInput, required: true, description: 'Which contact.' }) },
    resolve: async (_root, { input }, ctx) => {
      const { id } = await removeContact(ctx, input.contactId)
      return { contactId: encodeId('Contact', id) }
    },
  }),
}))

const ContactUpdate = builder.objectRef<ContactChange>('ContactUpdate').implement({
  description: "A contact of the viewer's changed. `contact` is null once it is no more.",
  fields: (t) => ({
    contactId: t.id({
      description: 'The id of the contact.',
      resolve: ({ contactId }) => encodeId('Contact', contactId),
    }),
    contact: t.field({
      type: Contact,
      nullable: true,
      description: 'As it is now.',
      resolve: ({ contactId }) => contactId,
    }),
  }),
})

builder.subscriptionField('contactUpdated', (t) =>
  t.field({
    type: ContactUpdate,
    description:
      "A contact or request of the viewer's changed, by the other one or on another device of one's own. Live only: after a break, list the contacts anew.",
    subscribe: (_root, _args, ctx) => contactChanges(ctx),
    resolve: (change) => change,
  }),
)
