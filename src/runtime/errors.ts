// The base of every error that mesh-ca raises on purpose: bad input or a bad world. A caller's bug is a TypeError instead.
// A room declares its own subclass with a literal union of codes; docs/errors.md lists each code.

/** A stable, documented error code. The text after `MCA_` never changes its meaning. */
export type MeshCaErrorCode = `MCA_${string}`;

export interface MeshCaErrorOptions {
  /** What led to this error; kept for the log, never sent to a caller. */
  readonly cause?: unknown;
  /** Short facts for machines (ErrorInfo metadata): names and values without secrets. */
  readonly details?: Readonly<Record<string, string>>;
}

/**
 * Bad input or a bad world, with a stable code and a sentence that says what to do.
 * The sentence is for people: it never contains a secret, a key or a whole certificate.
 */
export abstract class MeshCaError<Code extends MeshCaErrorCode = MeshCaErrorCode> extends Error {
  readonly code: Code;
  readonly details: Readonly<Record<string, string>>;

  constructor(code: Code, sentence: string, options: MeshCaErrorOptions = {}) {
    super(sentence, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** Makes a switch over a discriminated union exhaustive: reaching it is a bug of ours. */
export function assertNever(value: never): never {
  throw new TypeError(`unreachable: unexpected value ${JSON.stringify(value)}`);
}
