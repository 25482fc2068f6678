import { brandWithType } from '@pothos/core'
import type { RequestContext } from '../../context.ts'
import { BadUserInputError } from '../../lib/errors.ts'
import { decodeId, type NodeType } from '../../lib/ids.ts'
import { builder } from '../../schema/builder.ts'
import { Contact } from '../contacts/contacts-schema.ts'
import { ConversationViewerState, Participant } from '../conversations/participants-schema.ts'
import { Conversation } from '../conversations/schema.ts'
import { Dispute } from '../integrations/disputes-schema.ts'
import { JobUpdate } from '../integrations/job-updates-schema.ts'
import { Payment } from '../integrations/payments-schema.ts'
import { Message } from '../messages/schema.ts'
import { User } from '../users/schema.ts'
import { WebhookDelivery } from '../webhooks/deliveries-schema.ts'
import { WebhookEndpoint } from '../webhooks/endpoints-schema.ts'

/** What each type of node is loaded by; each of them checks what the viewer may see. */
const TYPES = {
  User,
  Conversation,
  ConversationViewerState,
  Participant,
  Message,
  Dispute,
  Payment,
  JobUpdate,
  Contact,
  WebhookEndpoint,
  WebhookDelivery,
} satisfies Record<NodeType, unknown>

const MAX_NODES = 100

/** The node of a global id; null where the id is malformed, or what it names is absent or not to be seen. */
async function load(ctx: RequestContext, globalId: string): Promise<object | null> {
  const decoded = decodeId(globalId)
  if (!decoded) return null
  const row: object | null = await TYPES[decoded.type].getDataloader(ctx).load(decoded.key.join(':'))
  if (row) brandWithType(row, TYPES[decoded.type])
  return row
}

builder.queryFields((t) => ({
  node: t.field({
    type: builder.nodeInterfaceRef(),
    nullable: true,
    description: 'Anything that has an id; null where it is absent or not to be seen.',
    args: { id: t.arg.id({ required: true, description: 'The id of anything.' }) },
    resolve: (_root, { id }, ctx) => load(ctx, id),
  }),
  nodes: t.field({
    type: [builder.nodeInterfaceRef()],
    nullable: { list: true, items: true },
    description: `Several things by their ids, in the order of the ids, at most ${MAX_NODES}; null where one is absent or not to be seen.`,
    args: { ids: t.arg.idList({ required: true, description: 'Ids of anything, of different types too.' }) },
    complexity: ({ ids }) => ({ field: 1, multiplier: Math.min(ids.length, MAX_NODES) }),
    resolve: (_root, { ids }, ctx) => {
      if (ids.length > MAX_NODES) throw new BadUserInputError(`ids must hold at most ${MAX_NODES}.`, 'ids')
      return Promise.all(ids.map((id) => load(ctx, id)))
    },
  }),
}))
