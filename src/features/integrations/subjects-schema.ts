import { subjectCursor } from '../../lib/cursors.ts'
import type { PageArgs } from '../../lib/paging.ts'
import { connectionOfEach } from '../../schema/pagination.ts'
import type { ConversationView } from '../conversations/access.ts'
import { type SubjectRow, type SubjectTable, subjectPages } from './subjects.ts'

/** The resolver of a conversation's disputes, payments or job updates. */
export function subjectsOfEach<Row extends SubjectRow>(table: SubjectTable) {
  return connectionOfEach(
    (ctx, views: ConversationView[], args: PageArgs) => subjectPages<Row>(ctx, table, views, args),
    (row) => subjectCursor(row.conversationId, row.seq),
  )
}
