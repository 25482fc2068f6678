// What happened in a turn of the event loop is told at its end, and what that makes sockets be sent is written right
// after. So a subscriber is gone to once with all the events of the turn, and its socket is written to while both are
// still in the processor's cache. With thousands of subscribers to a conversation, going to each of them for each event,
// and once more to write, took half of what a delivery of eight messages in a turn cost.

/** Something that has to be written out. */
export interface Writer {
  write(): void
}

/** So many are gone to before they are written: what they take fits a processor's own cache. */
const WRITERS_AT_ONCE = 64

let tellers: (() => void)[] = []
let writers: Writer[] = []
let isDue = false
/** Whether what is written now will not be added to in this turn, as far as tellers go. */
let isLastTeller = false

/** Calls `tell` at the end of this turn; what throws there ends the process. */
export function tellSoon(tell: () => void): void {
  tellers.push(tell)
  runSoon()
}

/** Has a writer write at the end of this turn, after all was told; one of thousands may have to begin earlier. */
export function writeSoon(writer: Writer): void {
  if (isLastTeller && writers.length >= WRITERS_AT_ONCE) writeAll()
  writers.push(writer)
  runSoon()
}

function runSoon() {
  if (isDue) return
  isDue = true
  setImmediate(run)
}

function run() {
  const due = tellers
  tellers = []
  for (let place = 0; place < due.length; place++) {
    isLastTeller = place === due.length - 1
    due[place]!()
  }
  isLastTeller = false
  isDue = false
  writeAll()
  if (tellers.length > 0 || writers.length > 0) runSoon()
}

function writeAll() {
  const due = writers
  writers = []
  for (const writer of due) writer.write()
}
