// A statement of ours: its text never contains a value, its name is that of the prepared statement.

export interface SqlStatement {
  /** Unique in the program, at most 63 characters. Empty: not prepared (planned anew for each use). */
  readonly name: string;
  readonly text: string;
}

/** What may stand for a parameter. Times are given with `sqlTime`; a `Uint8Array` is a bytea. */
export type SqlValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | Date
  | Uint8Array
  | readonly (string | number | bigint | boolean | null | Uint8Array)[];

/** Unix milliseconds as a timestamptz parameter. */
export function sqlTime(unixMs: number): string {
  return new Date(unixMs).toISOString();
}
