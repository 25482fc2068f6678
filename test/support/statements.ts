/** What a node looks up by itself, every few seconds: whose database it is, and how far its feeds and users have got. */
const BACKGROUND = [
  /database_epoch/,
  /^\s*SELECT pg_current_snapshot\(\)::text AS snapshot, place\.\*/,
  /last_seq AS seq FROM conversations/,
]

/** Whether a statement was sent for a request, and not by the node for itself at whatever moment. */
export const isOfRequest = (sql: string) => !BACKGROUND.some((pattern) => pattern.test(sql))
