/**
 * `extensions` of a field that is the same for every viewer of the same event: its resolver looks at its parent alone,
 * not at the viewer, and not at what hangs on who asks. A live event is executed once for all subscribers who ask for
 * such fields only (transport/groups.ts); for all other fields once for each viewer. Of a subscription it says that
 * its resolver takes no look at its arguments either.
 */
export const SHAREABLE = { shareable: true }
