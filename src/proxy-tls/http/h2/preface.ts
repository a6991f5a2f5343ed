// HTTP/2 in plaintext with prior knowledge (RFC 9113 section 3.3): only where all 24 bytes of the preface come first. A connection whose
// bytes differ in one place speaks HTTP/1.1, whose parser then judges every one of them.
import type { Socket } from "node:net";
import { PREFACE } from "../../../http2/index.ts";
import { Deadline, type DeadlineWheel } from "../deadlines.ts";

export type PlaintextProtocol = "h2" | "http/1.1";

export interface PrefaceOptions {
  readonly wheel: DeadlineWheel;
  /** How long the first byte may take: a client may connect ahead of its first request. 0: for ever. */
  readonly idleMs: number;
  /** How long a preface may take that has begun. 0: for ever. */
  readonly prefaceMs: number;
  /** @param first what was read: it is the engine's */
  onProtocol(protocol: PlaintextProtocol, first: Uint8Array): void;
}

/**
 * Finds out what a fresh plaintext connection speaks. Calls back once, or never: where the client left, or took too long, the socket is
 * destroyed. The socket's error handler is its owner's.
 */
export function detectPreface(socket: Socket, options: PrefaceOptions): void {
  let seen: Buffer = Buffer.alloc(0);
  const settle = (protocol: PlaintextProtocol | undefined): void => {
    deadline.release();
    socket.off("readable", read);
    socket.off("end", left);
    socket.off("close", left);
    if (protocol === undefined) {
      socket.destroy();
      return;
    }
    options.onProtocol(protocol, seen);
  };
  const read = (): void => {
    const chunk: Buffer | null = socket.read();
    if (chunk === null) return;
    const first = seen.length === 0;
    seen = first ? chunk : Buffer.concat([seen, chunk]);
    const length = Math.min(seen.length, PREFACE.length);
    if (PREFACE.compare(seen, 0, length, 0, length) !== 0) settle("http/1.1");
    else if (length === PREFACE.length) settle("h2");
    // The deadline of the rest runs from the first byte: later ones do not extend it.
    else if (first) deadline.set(options.prefaceMs);
  };
  const left = (): void => settle(undefined);
  const deadline = new Deadline(options.wheel, left);
  socket.on("readable", read);
  socket.on("end", left);
  socket.on("close", left);
  deadline.set(options.idleMs);
}
