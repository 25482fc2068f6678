// What a subscription sends again and again is one message but for the operation's id: it is made once, and each
// subscriber's frame is the id and a copy of it. Building frames costs less here than handing text to a library that
// encodes it anew for each socket (RFC 6455 5.2; a server's frames are not masked).

/** A `next` message of graphql-transport-ws, but for its beginning: `,"type":"next","payload":…}` in UTF-8. */
export type NextMessage = Buffer

/** @param payload An execution result, as JSON. */
export function nextMessage(payload: string): NextMessage {
  return Buffer.from(`,"type":"next","payload":${payload}}`)
}

/** The beginning of a text message, or the whole of one. */
export interface Head {
  text: string
  bytes: number
}

export function headOf(text: string): Head {
  return { text, bytes: Buffer.byteLength(text) }
}

/** The beginning of each message of an operation. */
export function operationHead(operationId: string): Head {
  return headOf(`{"id":${JSON.stringify(operationId)}`)
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

/** Writes a frame into `target` from `offset` on, and gives back where it ends. */
export function writeFrame(target: Buffer, offset: number, { text, bytes }: Head, rest: Buffer | null): number {
  let at = writeHeader(target, offset, bytes + (rest?.length ?? 0))
  at += target.write(text, at, 'utf8')
  return rest ? at + rest.copy(target, at) : at
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
