// How times come in JSON: a text would be slow to read, and PostgreSQL's isn't one that every Date can be made of.

/** SQL for milliseconds since 1970, from SQL for a timestamptz. */
export function millisecondsOf(time: string): string {
  return `round(date_part('epoch', ${time}) * 1000)`
}

export function dateOf(milliseconds: number | null): Date | null {
  return milliseconds === null ? null : new Date(milliseconds)
}
