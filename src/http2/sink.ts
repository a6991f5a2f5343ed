// Where a connection's bytes go: what it uses of a node:net or node:tls socket.

export interface ByteSink {
  readonly destroyed: boolean;
  /** It becomes true when the mark is reached, and "drain" tells when it has become false: bodies wait for that alone. */
  readonly writableNeedDrain: boolean;
  readonly writableLength: number;
  readonly writableHighWaterMark: number;
  write(bytes: Uint8Array): boolean;
  cork(): void;
  uncork(): void;
  pause(): void;
  resume(): void;
}
