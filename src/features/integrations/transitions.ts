import type { DisputeStatus, PaymentStatus } from '../../db/generated/enums.ts'
import { ConflictError } from '../../lib/errors.ts'

// What may follow what: the whole of it. A status that leads nowhere is final.

export const DISPUTE_TRANSITIONS = {
  OPEN: ['UNDER_REVIEW', 'RESOLVED', 'REJECTED', 'WITHDRAWN'],
  UNDER_REVIEW: ['RESOLVED', 'REJECTED', 'WITHDRAWN'],
  RESOLVED: [],
  REJECTED: [],
  WITHDRAWN: [],
} as const satisfies Record<DisputeStatus, DisputeStatus[]>

export const PAYMENT_TRANSITIONS = {
  INITIATED: ['PROCESSING', 'SUCCEEDED', 'FAILED', 'CANCELLED'],
  PROCESSING: ['SUCCEEDED', 'FAILED', 'CANCELLED'],
  SUCCEEDED: ['REFUNDED'],
  FAILED: [],
  CANCELLED: [],
  REFUNDED: [],
} as const satisfies Record<PaymentStatus, PaymentStatus[]>

/** @throws ConflictError where `to` doesn't follow `from`, as for a late or repeated status. */
export function requireTransition<Status extends string>(
  transitions: Record<Status, readonly Status[]>,
  from: Status,
  to: Status,
): void {
  if (!transitions[from].includes(to)) throw new ConflictError(`The status is ${from}: ${to} can't follow.`, 'status')
}
