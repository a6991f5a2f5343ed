// What one side makes of the other's bytes: the same for ours and for node's, so that the two can be laid beside each other.

/** A request at a server, a response at a client. */
export interface ReadMessage {
  readonly stream: number;
  /** The piece at which its head was told. */
  readonly at: number;
  /** Name, value, name, value ... */
  readonly fields: readonly string[];
  /** Of a response: the interim heads before it, as ClientReading has them. */
  readonly interims?: readonly string[];
  /** As much as came, in latin1. */
  body: string;
  /** Undefined: END_STREAM has not come. */
  trailers: readonly string[] | undefined;
}

export interface Reading {
  /** In the order in which they were told. */
  readonly messages: readonly ReadMessage[];
  /** Streams that were reset by who reads, and the number of the piece at which it first did. */
  readonly resets: ReadonlyMap<number, number>;
  /** Who reads ended the connection: at this piece, for this reason. */
  readonly end: { readonly at: number; readonly why: string } | undefined;
}

/** What a client's reading has besides. */
export interface ClientReading extends Reading {
  /** Interim heads: the stream, and fields. */
  readonly interims: readonly string[];
  /** Streams that ended by the server's will, and its code; REFUSED_STREAM: GOAWAY did not reach them. */
  readonly failed: ReadonlyMap<number, number>;
  /** Bytes that it sent on the stream that uploads. */
  readonly uploaded: number;
}

export interface OurReading extends Reading {
  /** All that was told and is kept, in order; the same for every split. */
  readonly log: readonly string[];
  /** For each piece the one at which it has been looked at: heads and frames are, when they are whole. */
  readonly judgedAt: readonly number[];
  /** The frames that were written, fields as they are read. */
  readonly written: readonly string[];
  /** The codes of the resets among them. */
  readonly codes: readonly number[];
  /** What is not as it must be. */
  readonly wrong: string | undefined;
}

/** When ours has looked at a piece; never: infinite. */
export function judgedAt(ours: OurReading, piece: number): number {
  return ours.judgedAt[piece] ?? Number.POSITIVE_INFINITY;
}

export function atEnd(reading: Reading): number {
  return reading.end?.at ?? Number.POSITIVE_INFINITY;
}

export function atReset(reading: Reading, stream: number): number {
  return reading.resets.get(stream) ?? Number.POSITIVE_INFINITY;
}

/** Of a client's interim heads, those of a stream. */
export function interimsOf(interims: readonly string[], stream: number): string[] {
  return interims.filter((text) => text.startsWith(`${stream} `));
}

/** Of a field. */
export function valuesOf({ fields }: ReadMessage, name: string): string[] {
  return fields.filter((_, index) => index % 2 === 1 && fields[index - 1] === name);
}
