// What a server makes of a client's bytes: the same for ours and for node's, so that the two can be laid beside each other.

export interface ReadRequest {
  readonly stream: number;
  /** The piece at which its head was told. */
  readonly at: number;
  /** Name, value, name, value ... */
  readonly fields: readonly string[];
  /** As much as came, in latin1. */
  body: string;
  /** Undefined: END_STREAM has not come. */
  trailers: readonly string[] | undefined;
}

export interface Reading {
  /** In the order in which they were told. */
  readonly requests: readonly ReadRequest[];
  /** Streams that the server reset, and the number of the piece at which it first did. */
  readonly resets: ReadonlyMap<number, number>;
  /** The server ended the connection: at this piece, for this reason. */
  readonly end: { readonly at: number; readonly why: string } | undefined;
}
