// What ends a connection because of what its peer sent (RFC 9113 section 5.4.1). Thrown inside the room, and caught at its one door, the
// connection: GOAWAY says the code and the reason.

export class ConnectionFault extends Error {
  override readonly name = "ConnectionFault";
  /** Of section 7. */
  readonly code: number;

  /** @param reason plain words for the peer's operator; latin1 */
  constructor(code: number, reason: string) {
    super(reason);
    this.code = code;
  }
}
