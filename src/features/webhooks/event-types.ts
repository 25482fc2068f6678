/** All that an endpoint can be told of, and when it is. */
export const EVENT_TYPES = {
  'message.added': 'A message was sent. News of a dispute, payment or job only where their own events are not wanted.',
  'message.edited': 'A message was given another body.',
  'message.deleted': 'A message was deleted.',
  'conversation.created': 'A conversation was opened, with all who are in it from the beginning.',
  'conversation.updated': 'Title, summary, topics, tags or metadata changed.',
  'conversation.closed': 'A conversation became read-only.',
  'conversation.reopened': 'A closed conversation goes on.',
  'conversation.deleted': 'A conversation was deleted.',
  'participant.joined': 'Somebody came into a conversation that was there before.',
  'participant.left': 'Somebody left.',
  'participant.removed': 'Somebody was taken out.',
  'participant.role_changed': 'Somebody has another role.',
  'dispute.created': 'A dispute was opened.',
  'dispute.updated': 'A dispute has another status.',
  'payment.created': 'A payment was initiated.',
  'payment.updated': 'A payment has another status.',
  'job_update.created': 'There is news of a job.',
  'contact.requested': 'Somebody asked to be in contact with somebody.',
  'contact.accepted': 'The request was accepted.',
  'contact.declined': 'The request was declined.',
  'contact.removed': 'The contact, or the request, was taken back.',
} as const

export type EventType = keyof typeof EVENT_TYPES

export function isEventType(text: string): text is EventType {
  return Object.hasOwn(EVENT_TYPES, text)
}
