import { brandWithType } from '@pothos/core'
import { builder } from '../../schema/builder.ts'
import { Message } from '../messages/schema.ts'
import type { DisputeRow } from './disputes.ts'
import { Dispute } from './disputes-schema.ts'
import type { JobUpdateRow } from './job-updates.ts'
import { JobUpdate } from './job-updates-schema.ts'
import type { PaymentRow } from './payments.ts'
import { Payment } from './payments-schema.ts'

const MessageSubject = builder.unionType('MessageSubject', {
  description: 'What a message of the server tells of.',
  types: [Dispute, Payment, JobUpdate],
})

/** What each kind of message tells of. */
const TYPES = { DISPUTE: Dispute, PAYMENT: Payment, JOB_UPDATE: JobUpdate } as const

builder.objectField(Message, 'subject', (t) =>
  t.field({
    type: MessageSubject,
    nullable: true,
    description: 'The dispute, payment or job update that this message tells of, as it is now.',
    resolve: async ({ kind, subjectId }, _args, ctx) => {
      if (subjectId === null) return null
      const type = TYPES[kind as keyof typeof TYPES]
      const row: object | null = await type.getDataloader(ctx).load(subjectId)
      if (row) brandWithType(row, type)
      return row as DisputeRow | PaymentRow | JobUpdateRow | null
    },
  }),
)
