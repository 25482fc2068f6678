// What a subscription sends again and again is one message but for the operation's id: it is made once, and each
// subscriber's frame is the id and a copy of it. Building frames costs less here than handing text to a library that
// encodes it anew for each socket (RFC 6455 5.2; a server's frames are not masked).

/** A `next` message of graphql-transport-ws, but for what comes before the payload. */
export interface NextMessage {
  /** `,"type":"next","payload":…}` in UTF-8. */
  tail: Buffer
}

/** @param payload An execution result, as JSON. */
export function nextMessage(payload: string): NextMessage {
  return { tail: Buffer.from(`,"type":"next","payload":${payload}}`) }
}

/** The beginning of each message of an operation. */
export function headOf(operationId: string): string {
  return `{"id":${JSON.stringify(operationId)}`
}

/** A text message that waits to be written: a whole one, or the head of one and what it shares with others. */
export interface Outgoing {
  head: string
  headBytes: number
  tail: Buffer | null
}

const FIN_AND_TEXT = 0x81
/** Lengths up to it stand in the second byte; these values of it say that 2 or 8 bytes follow. */
const MAX_SHORT = 125
const TWO_BYTES = 126
const EIGHT_BYTES = 127

/** How many bytes a frame with so many bytes of payload has. */
export function frameBytes(payloadBytes: number): number {
  return payloadBytes + (payloadBytes <= MAX_SHORT ? 2 : payloadBytes <= 0xffff ? 4 : 10)
}

export function payloadBytes({ headBytes, tail }: Outgoing): number {
  return headBytes + (tail?.length ?? 0)
}

/** Writes a frame into `target` from `offset` on, and gives back where it ends. */
export function writeFrame(target: Buffer, offset: number, message: Outgoing): number {
  let at = writeHeader(target, offset, payloadBytes(message))
  at += target.write(message.head, at, 'utf8')
  return message.tail ? at + message.tail.copy(target, at) : at
}

function writeHeader(target: Buffer, offset: number, length: number): number {
  target[offset] = FIN_AND_TEXT
  if (length <= MAX_SHORT) {
    target[offset + 1] = length
    return offset + 2
  }
  if (length <= 0xffff) {
    target[offset + 1] = TWO_BYTES
    return target.writeUInt16BE(length, offset + 2)
  }
  target[offset + 1] = EIGHT_BYTES
  return target.writeBigUInt64BE(BigInt(length), offset + 2)
}
