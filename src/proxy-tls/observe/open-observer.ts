// The observer of one process with its access log on standard output.
import { type Clock, LineSink, systemClock, writerTo } from "../../runtime/index.ts";
import { lostLine } from "./access-line.ts";
import { ProxyObserver } from "./observer.ts";

const STANDARD_OUTPUT = 1;

export interface OpenObserver {
  readonly observer: ProxyObserver;
  /** Writes the last lines. Afterwards the observer goes on counting. */
  close(): void;
}

/** @param access whether there is an access log */
export function openObserver(access: boolean, clock: Clock = systemClock): OpenObserver {
  if (!access) return { observer: new ProxyObserver({ lines: undefined, clock }), close() {} };
  const writer = writerTo(STANDARD_OUTPUT);
  const { write, pieceBytes } = writer;
  const sink = new LineSink({ write, pieceBytes, lost: (lines) => lostLine(clock.now(), lines) });
  return {
    observer: new ProxyObserver({ lines: sink, clock }),
    close() {
      sink.close();
      writer.close();
    },
  };
}
