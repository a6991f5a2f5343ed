// The client's side of an HTTP/2 connection to a target, on node:http2, over a socket that was connected and verified before. One broken
// answer ends the session and every exchange on it, so that it is not to be shared by callers who must not hurt each other.
import { type ClientHttp2Session, connect } from "node:http2";
import type { Socket } from "node:net";
import type { ClientEngineOptions } from "../engine-options.ts";
import type { AbortCause, ClientEvents, ClientExchange, HttpClientConnection, RequestHead } from "../exchange.ts";
import { Roster } from "../roster.ts";
import { LINGER_MS } from "../timeouts.ts";
import { H2ClientExchange } from "./client-exchange.ts";
import { closeSession } from "./ending.ts";
import { type Scheme, writeRequestList } from "./heads.ts";
import { SessionWatch } from "./session-watch.ts";
import { clientSessionOptions, MAX_UPSTREAM_STREAMS } from "./settings.ts";

export interface H2ClientOptions extends ClientEngineOptions {
  /** https over TLS. */
  readonly scheme: Scheme;
  /** Whether requests may end in trailers. */
  readonly requestTrailers: boolean;
}

/** An HTTP/2 client on a connected and verified socket. Nothing else may read from or write to the socket afterwards. */
export class H2ClientConnection implements HttpClientConnection {
  readonly protocol = "h2";
  readonly options: H2ClientOptions;
  readonly watch: SessionWatch;
  readonly #socket: Socket;
  readonly #session: ClientHttp2Session;
  readonly #exchanges = new Roster<H2ClientExchange>();
  #allowed = MAX_UPSTREAM_STREAMS;
  #state: "open" | "draining" | "closed" = "open";
  #idleSince = performance.now();
  /** The last stream that the target says it may have processed. */
  #lastProcessed: number | undefined;

  constructor(socket: Socket, options: H2ClientOptions) {
    this.options = options;
    this.#socket = socket;
    const { streamIdleMs, writeStallMs } = options.timeouts;
    this.watch = new SessionWatch(socket, options, [streamIdleMs, writeStallMs], {
      onFlood: () => this.#end({ kind: "closed", reason: "flood" }),
      onSweep: (now) => this.#onSweep(now),
    });
    // The authority is a placeholder: every request names its own.
    const session = connect("https://target", { ...clientSessionOptions(), createConnection: () => socket });
    this.#session = session;
    session.on("error", () => {});
    session.on("ping", () => this.watch.ping());
    session.on("remoteSettings", ({ maxConcurrentStreams }) => this.#onSettings(maxConcurrentStreams));
    session.on("goaway", (_code, lastStream) => this.#onGoaway(lastStream));
    // A push, which was forbidden.
    session.on("stream", () => this.#end({ kind: "peer-gone" }));
    socket.on("error", () => {});
    socket.on("end", () => this.#end({ kind: "peer-gone" }));
    socket.on("close", () => this.#end({ kind: "peer-gone" }));
    // Gone before we listened: no event will tell.
    if (socket.destroyed || socket.readableEnded) process.nextTick(() => this.#end({ kind: "peer-gone" }));
  }

  get capacity(): number {
    if (this.#state !== "open" || this.#session.closed || this.#session.destroyed) return 0;
    return Math.max(0, this.#allowed - this.#exchanges.size);
  }

  get active(): number {
    return this.#exchanges.size;
  }

  request(head: RequestHead, events: ClientEvents): ClientExchange {
    if (this.capacity === 0) throw new TypeError("a connection without capacity was given a request");
    const { scheme, requestTrailers } = this.options;
    const { body } = head;
    const endStream = body.kind === "none" || (body.kind === "length" && body.bytes === 0);
    const list = writeRequestList(head, scheme);
    const stream = this.#session.request(list, {
      endStream,
      waitForTrailers: requestTrailers && body.kind === "open",
    });
    // node keeps it with the stream.
    list.length = 0;
    const exchange = new H2ClientExchange(this, stream, head, events, endStream);
    if (requestTrailers && body.kind === "open") stream.once("wantTrailers", () => exchange.sendTrailers());
    this.#exchanges.add(exchange);
    return exchange;
  }

  drain(): void {
    if (this.#state !== "open") return;
    this.#state = "draining";
    this.#idleSince = performance.now();
    closeSession(this.#session);
  }

  destroy(reason: string): void {
    this.#end({ kind: "closed", reason });
  }

  // What an exchange calls.

  left(exchange: H2ClientExchange): void {
    this.#exchanges.delete(exchange);
    if (this.#exchanges.size === 0) this.#idleSince = performance.now();
    if (this.capacity > 0) this.options.onIdle();
  }

  /** A fault of ours ends this connection, not the process. */
  fault(error: unknown): void {
    this.options.onFault(error);
    this.#end({ kind: "closed", reason: "fault" });
  }

  isBeyondGoaway(stream: number): boolean {
    return this.#lastProcessed !== undefined && stream > this.#lastProcessed;
  }

  // What the session tells.

  #onSettings(maxConcurrentStreams = MAX_UPSTREAM_STREAMS): void {
    this.#allowed = Math.min(maxConcurrentStreams, MAX_UPSTREAM_STREAMS);
    this.watch.settings();
    if (this.capacity > 0) this.options.onIdle();
  }

  /** Told before node acts on it: behind an error it ends every stream at once. */
  #onGoaway(lastStream: number): void {
    this.#lastProcessed = Math.min(lastStream, this.#lastProcessed ?? lastStream);
    if (this.#state === "open") this.#state = "draining";
    this.#idleSince = performance.now();
  }

  #onSweep(now: number): void {
    for (const exchange of this.#exchanges.all()) exchange.checkDeadlines(now);
    const ending = this.#state === "draining" || this.#session.destroyed;
    if (ending && this.#exchanges.size === 0 && now - this.#idleSince > LINGER_MS) this.#end({ kind: "peer-gone" });
  }

  #end(cause: AbortCause): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.watch.stop();
    for (const exchange of this.#exchanges.all()) exchange.cut(cause);
    this.#session.destroy();
    this.#socket.destroy();
    this.options.onClosed();
  }
}
