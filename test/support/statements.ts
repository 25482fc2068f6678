/** What a node looks up by itself, every few seconds: whose database it is, and how far its feeds and users have got. */
const BACKGROUND = [
  /database_epoch/,
  /^\s*SELECT pg_current_snapshot\(\)::text AS snapshot, place\.\*/,
  /last_seq AS seq FROM conversations/,
]
/** Who asks is looked for unless that was done a moment ago. */
const WHO_ASKS = /FROM users u WHERE u\.external_id = ANY/

/** Whether a statement was sent for what a request asks, and not by the node for itself at whatever moment. */
export const isOfRequest = (sql: string) => ![...BACKGROUND, WHO_ASKS].some((pattern) => pattern.test(sql))
