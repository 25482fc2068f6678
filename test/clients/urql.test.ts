import { createParleyClient, openChat } from '../../examples/urql.ts'
import { describeChat } from './chat.ts'

describeChat('urql', ({ options, conversationId, show, closed }) =>
  openChat(createParleyClient(options), conversationId, show, closed),
)
