import { builder } from '../../schema/builder.ts'
import { connectionOf } from '../../schema/pagination.ts'
import { User } from '../users/schema.ts'
import { type AuditRow, auditRowCursor, listAuditEntries } from './service.ts'

const AuditEntry = builder.objectRef<AuditRow>('AuditEntry').implement({
  description:
    'A mutation that a service token sent. Noted before it was done: whether it was refused then is not told here.',
  fields: (t) => ({
    at: t.expose('at', { type: 'DateTime', description: 'When.' }),
    service: t.exposeString('service', { description: "The token's `sub`." }),
    actedFor: t.field({
      type: User,
      nullable: true,
      description: 'The user for whom it acted; null for itself.',
      resolve: (row) => row.actedFor,
    }),
    operation: t.exposeString('operation', { description: "The mutation's name, such as sendMessage." }),
    subject: t.expose('subject', {
      type: 'JSONObject',
      description:
        'The ids among its arguments, by their names; a list where there were several. Nothing else of them.',
    }),
  }),
})

const AuditEntryConnection = builder.connectionObject(
  { type: AuditEntry, name: 'AuditEntryConnection', description: 'A page of the audit log.' },
  { name: 'AuditEntryEdge', description: 'An entry in a page.' },
)

builder.queryField('auditEntries', (t) =>
  t.field({
    type: AuditEntryConnection,
    nullable: true,
    description:
      'What service tokens did, newest first. Only for a service; else FORBIDDEN. `first` is from 1 to 100, 50 if left out.',
    args: {
      actedForId: t.arg.id({ description: 'Only what was done for this User.' }),
      operation: t.arg.string({ description: 'Only mutations of this name.' }),
      first: t.arg.int({ description: 'How many, from the newest or from `after` on.' }),
      after: t.arg.string({ description: 'Only those after this cursor.' }),
    },
    resolve: async (_root, args, ctx) => connectionOf(await listAuditEntries(ctx, args), auditRowCursor),
  }),
)
