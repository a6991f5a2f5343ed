// The logger that rooms receive as a parameter. Only the shape: pino stands behind it (logging.ts), tests may give another.
// Event names are constants of the room that logs (`svid.issued`); ids are fields, not prose; never a secret, a key, a PEM or a CSR.

/** Facts of one line. `event` is a constant of the room; `error` may be an Error and is written with its code, causes and stack. */
export interface LogFields {
  readonly event: string;
  readonly [name: string]: unknown;
}

/** Structured log lines. Every method writes at once: nothing is lost when the process ends. */
export interface Logger {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  fatal(fields: LogFields, message: string): void;
  /** A logger that adds these fields to each line. */
  child(fields: Readonly<Record<string, unknown>>): Logger;
}

/** Writes nothing. For tests and for library use without a log. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  fatal() {},
  child() {
    return silentLogger;
  },
};
