// A connection that speaks gRPC over HTTP/2, on a socket whose peer was judged: which method a request is for, signs of life, the way it ends.
// The frames are src/http2's. Never reads `socket.authorized` (spec/tls.md): who the peer is was found before.
//
//   open -> closing (no new streams); then as src/http2/socket has it: finishing (all is written) -> closed
import type { Socket } from "node:net";
import {
  type FieldList,
  Http2Server,
  type Http2Stream,
  type ServerEvents,
  SocketDriver,
  type SocketOwner,
  UnfinishedTime,
} from "../../../http2/index.ts";
import type { Connection } from "../../connection.ts";
import { headTooLarge, malformedRequest, methodUnknown, notGrpc } from "../coded-status.ts";
import type { WaitingRequest } from "../waiting-requests.ts";
import { ConversationCall } from "./conversation-call.ts";
import type { Method } from "./method.ts";
import { RefusedCall, UNKNOWN_METHOD } from "./refused-call.ts";
import { type GrpcHead, readGrpcHead } from "./request-head.ts";
import type { CallHost, ServerCall } from "./server-call.ts";
import { StreamCall } from "./stream-call.ts";
import { UnaryCall } from "./unary-call.ts";

export interface GrpcConnectionOptions {
  /** By path. */
  readonly methods: ReadonlyMap<string, Method>;
  readonly maxConcurrentStreams: number;
  readonly maxMessageBytes: number;
  /** What may wait of one connection's requests and answers. */
  readonly maxHeldBytes: number;
  readonly streamResetBurst: number;
  readonly streamResetPerSecond: number;
  readonly keepaliveMs: number;
  readonly idleMs: number;
  /** How long a header block or frame may take that has begun to come. */
  readonly headMs: number;
  begin(end: () => void): WaitingRequest;
  onRefused(method: string, error: unknown, peer: Connection): void;
  onFault(error: unknown): void;
  onClosed(connection: GrpcConnection): void;
}

/** How long a peer may take to answer a keepalive ping. */
const KEEPALIVE_TIMEOUT_MS = 20_000;

export class GrpcConnection implements ServerEvents, SocketOwner<void>, CallHost {
  readonly peer: Connection;
  readonly maxMessageBytes: number;
  readonly #options: GrpcConnectionOptions;
  readonly #http2: Http2Server;
  readonly #driver: SocketDriver<void>;
  readonly #unfinished: UnfinishedTime;
  #closing = false;
  #clientLeaves = false;
  #held = 0;
  /** Whether something came, and whether there was a call, since the last look. */
  #heard = false;
  #called = false;
  #pinged = false;
  #lookedAt = performance.now();
  #heardAt = this.#lookedAt;
  /** Since when there is no call. */
  #idleSince = this.#lookedAt;

  /** Nothing else may read from or write to the socket afterwards. */
  constructor(socket: Socket, peer: Connection, options: GrpcConnectionOptions) {
    this.peer = peer;
    this.maxMessageBytes = options.maxMessageBytes;
    this.#options = options;
    const resets = { burst: options.streamResetBurst, perSecond: options.streamResetPerSecond };
    this.#http2 = new Http2Server(socket, this, options.maxConcurrentStreams, resets);
    this.#unfinished = new UnfinishedTime(this.#http2);
    socket.setNoDelay(true);
    this.#driver = new SocketDriver(socket, this.#http2, this);
  }

  /** No new calls; closes when those that are under way have ended. */
  drain(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#http2.drain();
  }

  /** Ends it at once: every call is told. */
  destroy(): void {
    this.#driver.end();
  }

  /** To be called every few seconds: what is overdue. @param now monotonic milliseconds */
  look(now: number): void {
    this.#http2.tick(now - this.#lookedAt);
    this.#lookedAt = now;
    if (this.#heard) {
      this.#heardAt = now;
      this.#pinged = false;
    }
    if (this.#called || this.#http2.active > 0) this.#idleSince = now;
    this.#heard = false;
    this.#called = false;
    const { keepaliveMs, idleMs, headMs } = this.#options;
    const silentMs = now - this.#heardAt;
    if (this.#driver.isFinishing) {
      if (this.#driver.isOverdue(now)) this.destroy();
    } else if (this.#unfinished.lastsMs(now) > headMs || silentMs > keepaliveMs + KEEPALIVE_TIMEOUT_MS) this.destroy();
    else {
      if (silentMs > keepaliveMs && !this.#pinged) {
        this.#pinged = true;
        this.#http2.ping();
      }
      if (now - this.#idleSince > idleMs) this.drain();
      this.#finishIfDone();
    }
  }

  // CallHost.

  begin(end: () => void): WaitingRequest {
    return this.#options.begin(end);
  }

  hold(bytes: number): boolean {
    this.#held += bytes;
    return this.#held <= this.#options.maxHeldBytes;
  }

  refused(method: string, error: unknown): void {
    this.#options.onRefused(method, error, this.peer);
  }

  left(): void {
    this.#finishIfDone();
  }

  // SocketOwner.

  onRead(): void {
    this.#heard = true;
    this.#finishIfDone();
  }

  onPeerGone(): void {
    this.destroy();
  }

  /** A fault of ours ends this connection, not the process. */
  fault(error: unknown): void {
    this.#options.onFault(error);
    this.destroy();
  }

  cut(): void {
    this.#http2.cut();
  }

  onClosed(): void {
    this.#options.onClosed(this);
  }

  // ServerEvents.

  onRequest(stream: Http2Stream, fields: FieldList): void {
    this.#called = true;
    const head = readGrpcHead(fields);
    if (head.method !== "POST" || !head.isGrpc) {
      this.#refuse(stream, notGrpc(head.method), head.method === "POST" ? "415" : "405");
      return;
    }
    const method = this.#options.methods.get(head.path);
    if (method === undefined) this.#refuse(stream, methodUnknown());
    else this.#open(stream, method, head, fields).begin(head.timeout);
  }

  onTooLarge(stream: Http2Stream): void {
    this.#called = true;
    this.#refuse(stream, headTooLarge());
  }

  onMalformed(reason: string): void {
    this.refused(UNKNOWN_METHOD, malformedRequest(reason));
  }

  onSettings(): void {}

  /** The client says that it will open no more streams. */
  onGoaway(): void {
    this.#clientLeaves = true;
    this.#closing = true;
    this.#finishIfDone();
  }

  onFault(): void {
    this.#driver.finish();
  }

  #open(stream: Http2Stream, method: Method, head: GrpcHead, fields: FieldList): ServerCall {
    switch (method.kind) {
      case "unary":
        return new UnaryCall(this, stream, method, head, fields);
      case "stream":
        return new StreamCall(this, stream, method, head, fields);
      case "conversation":
        return new ConversationCall(this, stream, method, head, fields);
    }
  }

  #refuse(stream: Http2Stream, error: Error, httpStatus?: string): void {
    new RefusedCall(this, stream).refuse(error, httpStatus);
  }

  #finishIfDone(): void {
    if (!this.#closing || this.#http2.active > 0) return;
    if (this.#http2.saidFarewell || this.#clientLeaves) this.#driver.finish();
  }
}
