// What a server connection of HTTP/1.1 is given, and what its exchanges may ask of it.
import type { ServerEngineOptions } from "../engine-options.ts";
import type { TurnWriter } from "./turn-writer.ts";

export interface H1ServerOptions extends ServerEngineOptions {
  readonly allowHttp10: boolean;
}

/** What an exchange needs of its connection. */
export interface ExchangeConnection {
  readonly writer: TurnWriter;
  readonly draining: boolean;
  pauseReading(): void;
  resumeReading(): void;
  /** Bytes were written; `accepted` false: the socket asks to wait. @returns accepted */
  written(accepted: boolean): boolean;
  /** The response has ended. `close`: nothing follows on this connection. */
  responseEnded(close: boolean): void;
  /** Answered by ourselves: nothing more is read. */
  refused(): void;
  abort(): void;
}
