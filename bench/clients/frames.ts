// WebSocket frames of a client that wants to cost little: no extensions, no fragments, a mask of zeros.

export interface Frame {
  opcode: number
  /** A view of what came in: it is to be read at once. */
  payload: Buffer
}

export const TEXT = 1
export const CLOSE = 8
export const PING = 9
export const PONG = 10

/** A frame as a client sends it. */
export function frameOf(opcode: number, payload: Buffer | string): Buffer {
  const data = Buffer.from(payload)
  const header = data.length < 126 ? Buffer.alloc(6) : Buffer.alloc(8)
  header[0] = 0x80 | opcode
  if (data.length < 126) header[1] = 0x80 | data.length
  else {
    header[1] = 0x80 | 126
    header.writeUInt16BE(data.length, 2)
  }
  return Buffer.concat([header, data])
}

/** Calls back for each whole frame, however the bytes come. */
export function createFrameReader(receive: (opcode: number, payload: Buffer) => void): (chunk: Buffer) => void {
  let rest: Buffer | null = null
  return (chunk) => {
    const data = rest ? Buffer.concat([rest, chunk]) : chunk
    rest = null
    let at = 0
    while (at < data.length) {
      const header = headerAt(data, at)
      if (!header || at + header.size + header.length > data.length) {
        rest = data.subarray(at)
        return
      }
      const begin = at + header.size
      at = begin + header.length
      receive(header.opcode, data.subarray(begin, at))
    }
  }
}

function headerAt(data: Buffer, at: number): { opcode: number; size: number; length: number } | null {
  if (data.length - at < 2) return null
  const opcode = data[at]! & 15
  const short = data[at + 1]! & 127
  if (short < 126) return { opcode, size: 2, length: short }
  if (short === 126) return data.length - at < 4 ? null : { opcode, size: 4, length: data.readUInt16BE(at + 2) }
  return data.length - at < 10 ? null : { opcode, size: 10, length: Number(data.readBigUInt64BE(at + 2)) }
}
