// What the exit code of every command means; `mesh-ca --help` and docs/cli.md repeat it.

export const EXIT = {
  ok: 0,
  /** Something failed on this side. */
  failed: 1,
  /** The command line, the configuration or a file given is wrong: mend it and run again. */
  usage: 2,
  /** The server refused: not allowed, not valid, not found. Running it again changes nothing. */
  refused: 3,
  /** The server or its database cannot be reached or is overloaded: try again later. */
  unavailable: 4,
  /** `doctor`: nothing failed, but something will hurt later. */
  warnings: 5,
} as const;
