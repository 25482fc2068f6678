import { decodeId } from '../../src/lib/ids.ts'

/** The uuid in a global id, by which the tables know it; of a message its conversation's. */
export function uuidOf(globalId: string): string {
  return decodeId(globalId)!.key[0]!
}
