// What every first line of a head has in common for the parser of heads: it is read octet by octet, and may be interrupted anywhere.

/** Why a head is not one, in kebab-case. */
export type HeadFailure =
  // First lines.
  | "empty-line"
  | "start-line"
  | "method"
  | "target-character"
  | "http-version"
  | "status"
  | "reason-phrase"
  // Field lines.
  | "field-name"
  | "space-before-colon"
  | "field-without-colon"
  | "folded-field"
  | "field-value"
  // Any line.
  | "bare-lf"
  | "bare-cr"
  // Limits.
  | "head-too-large"
  | "too-many-fields";

export interface StartLine {
  /** The line was taken, with its CRLF. */
  readonly done: boolean;
  readonly failure: HeadFailure | undefined;
  /** Forgets the last line. */
  begin(): void;
  /**
   * Reads on, from `at` to at most `end`. Positions that it remembers are relative to `base`, where the head begins.
   * @returns the offset behind what was taken
   */
  read(octets: Uint8Array, at: number, end: number, base: number): number;
}
