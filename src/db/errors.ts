// Which of the driver's and Prisma's errors mean that the database is away or overloaded: nothing was done, or what was
// done is guarded by an idempotency key, so the same request may be sent again.

/** SQLSTATE classes and codes: connection, resources, shut-down, lock and statement time-outs, serialisation, deadlock. */
const UNAVAILABLE_STATES = /^(08|53|57P|58)|^(55P03|57014|40001|40P01|25006)$/
const UNAVAILABLE_PRISMA = new Set(['P1001', 'P1002', 'P1008', 'P1017', 'P2024', 'P2028', 'P2034', 'P2037'])
const UNAVAILABLE_SYSTEM = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
])
/** pg gives these no code. */
const UNAVAILABLE_MESSAGES =
  /Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error/i

/** Whether an error, or what caused it, says that the database can't be used just now. */
export function isDatabaseUnavailable(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as { code?: unknown }
  if (typeof code === 'string') {
    if (UNAVAILABLE_STATES.test(code) || UNAVAILABLE_PRISMA.has(code) || UNAVAILABLE_SYSTEM.has(code)) return true
  }
  return UNAVAILABLE_MESSAGES.test(error.message) || isDatabaseUnavailable(error.cause)
}
