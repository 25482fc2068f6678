import './scalars.ts'
import '../features/nodes/schema.ts'
import '../features/users/schema.ts'
import '../features/users/search-schema.ts'
import '../features/users/standing-schema.ts'
import '../features/conversations/schema.ts'
import '../features/conversations/direct-schema.ts'
import '../features/conversations/opening-schema.ts'
import '../features/conversations/details-schema.ts'
import '../features/conversations/membership-schema.ts'
import '../features/messages/schema.ts'
import '../features/reads/schema.ts'
import '../features/typing/schema.ts'
import '../features/inbox/schema.ts'
import { builder } from './builder.ts'

/** The whole schema. Making it has no side effect: no environment is read and nothing is connected to. */
export const schema = builder.toSchema({ sortSchema: true })
