// One request from its decision to its record. The downstream engine tells it about the request (ServerEvents), the upstream engine about
// the response (UpstreamSide); whatever happens, it ends once, with one record.
//
//   decide -> wait for a connection -> send -> response -> over
//                    ^                   |
//                    +---- once more ----+     only where no byte of a response came, and the request can be said again

import { bytesPassed } from "../../../runtime/index.ts";
import type { Decision } from "../../policy/decision.ts";
import type { ConnectFailure, PooledConnection, Waiter } from "../../upstream/pooled.ts";
import type { Deadline } from "../deadlines.ts";
import type {
  AbortCause,
  ClientEvents,
  ClientExchange,
  RequestHead,
  ResponseHead,
  ServerEvents,
  ServerExchange,
  UpstreamFailure,
} from "../exchange.ts";
import { type Correlation, correlate, NO_SAFE_FIELDS, outgoingRequest, type SafeFields } from "../fields/index.ts";
import { BODY_IDLE, type HttpRefusal, RefusedError } from "../refusal.ts";
import type { Listed } from "../roster.ts";
import type { Forwarder } from "./forwarder.ts";
import { refusalOf, refusalOfConnect } from "./upstream-refusal.ts";

/** How much of a body is held before it is written, and for saying it again. */
const MAX_HELD_BYTES = 64 * 1024;
/** Beyond this the client is paused while a connection is awaited. */
const PAUSE_BYTES = 16 * 1024;
/** The same in pieces: each costs more than its bytes. */
const MAX_HELD_PIECES = 64;

const DENIED: Readonly<Record<Decision["reason"], HttpRefusal>> = {
  denied: { status: 403, code: "MCA_PROXY_DENIED", reason: "denied" },
  "default-deny": { status: 403, code: "MCA_PROXY_DENIED", reason: "default-deny" },
  refused: { status: 400, code: "MCA_PROXY_REQUEST_REFUSED", reason: "undecidable" },
  allowed: { status: 403, code: "MCA_PROXY_DENIED", reason: "denied" },
};

export class ForwardedExchange implements ServerEvents, Waiter, Listed {
  place = -1;
  readonly #forwarder: Forwarder;
  readonly #downstream: ServerExchange;
  readonly #startedAt: number;
  readonly #began = performance.now();
  #decision: Decision | undefined;
  #outgoing: RequestHead | undefined;
  #correlation: Correlation | undefined;
  #acquisition: { cancel(): void } | undefined;
  #upstream: ClientExchange | undefined;
  #pooled: PooledConnection | undefined;
  #attempts = 0;
  /** The body so far, while all of it is held. */
  #held: Uint8Array[] | undefined;
  #requestBytes = 0;
  #requestTrailers: SafeFields | undefined;
  #status: number | undefined;
  #responseBytes = 0;
  #deadline: Deadline | undefined;
  #total: Deadline | undefined;
  /** Monotonic milliseconds. */
  #sentAt = 0;
  #addedMs: number | undefined;
  #over = false;

  constructor(forwarder: Forwarder, downstream: ServerExchange) {
    this.#forwarder = forwarder;
    this.#downstream = downstream;
    this.#startedAt = forwarder.route.clock.now();
  }

  begin(): void {
    const { route } = this.#forwarder;
    const head = this.#downstream.request;
    const refusal = this.#decide(head);
    if (refusal !== undefined) {
      this.#refuse(refusal);
      return;
    }
    const unsafe = this.#prepare(head);
    if (unsafe !== undefined) {
      this.#refuse(unsafe);
      return;
    }
    if (head.body.kind === "none") this.#requestTrailers = NO_SAFE_FIELDS;
    if (route.requestMs > 0) {
      this.#total = route.wheel.take(() => this.#expired("total"));
      this.#total.set(route.requestMs);
    }
    route.retries.request();
    this.#connect();
  }

  // ServerEvents: the request.

  data(chunk: Uint8Array): void {
    if (this.#over) return;
    this.#hold(chunk);
    this.#requestBytes += chunk.length;
    bytesPassed(chunk.length);
    if (this.#upstream === undefined) {
      const pieces = this.#held?.length ?? 0;
      if (this.#requestBytes > PAUSE_BYTES || pieces >= MAX_HELD_PIECES) this.#downstream.pauseBody();
    } else if (!this.#upstream.write(chunk)) this.#downstream.pauseBody();
  }

  end(trailers: SafeFields): void {
    if (this.#over) return;
    this.#requestTrailers = trailers;
    if (this.#upstream === undefined) return;
    this.#upstream.end(trailers);
    this.#awaitResponse();
  }

  aborted(cause: AbortCause): void {
    if (this.#over) return;
    const refusal = toldOf(cause);
    // The engine has told the client, where nothing had been said before.
    this.#status ??= refusal?.status;
    this.#upstream?.abort();
    this.#record(refusal, { by: cause.kind === "closed" ? "proxy" : "downstream", cause });
  }

  writable(): void {
    this.#upstream?.resumeBody();
  }

  // Waiter: a connection.

  connected(pooled: PooledConnection): void {
    const head = this.#outgoing;
    if (this.#over || head === undefined) return;
    this.#acquisition = undefined;
    this.#pooled = pooled;
    this.#attempts += 1;
    this.#sentAt = performance.now();
    const upstream = pooled.connection.request(head, new UpstreamSide(this));
    this.#upstream = upstream;
    let accepted = true;
    for (const chunk of this.#held ?? []) accepted = upstream.write(chunk);
    if (this.#requestTrailers !== undefined) {
      if (head.body.kind !== "none") upstream.end(this.#requestTrailers);
      this.#awaitResponse();
    } else if (accepted) this.#downstream.resumeBody();
  }

  failed(failure: ConnectFailure): void {
    if (this.#over) return;
    this.#acquisition = undefined;
    const again = failure.kind === "connect-failed" && this.#attempts === 0 && this.#canRepeat();
    if (failure.kind === "connect-failed") this.#attempts += 1;
    if (again) this.#connect({ fresh: true, avoid: failure.target });
    else this.#refuse(refusalOfConnect(failure));
  }

  // What the upstream side tells.

  responseHead(head: ResponseHead): void {
    this.#deadline?.clear();
    this.#held = undefined;
    const respondedAt = performance.now();
    this.#downstream.respond(head);
    this.#status = head.status;
    this.#addedMs = this.#sentAt - this.#began + (performance.now() - respondedAt);
  }

  responseInterim(status: 100 | 103, fields: SafeFields): void {
    this.#downstream.interim(status, fields);
  }

  responseData(chunk: Uint8Array): void {
    this.#responseBytes += chunk.length;
    bytesPassed(chunk.length);
    if (!this.#downstream.write(chunk)) this.#upstream?.pauseBody();
  }

  responseEnd(trailers: SafeFields): void {
    if (this.#over) return;
    this.#downstream.end(trailers);
    this.#record(undefined, undefined);
  }

  upstreamWritable(): void {
    if (this.#requestTrailers === undefined) this.#downstream.resumeBody();
  }

  upstreamFailed(failure: UpstreamFailure): void {
    if (this.#over) return;
    this.#upstream = undefined;
    if (this.#status !== undefined) {
      this.#downstream.abort();
      this.#record(undefined, { by: "upstream", cause: failure.cause });
      return;
    }
    if (this.#isRepeatable(failure) && this.#canRepeat()) {
      this.#connect({ fresh: true, avoid: this.#pooled?.target });
      return;
    }
    this.#refuse(refusalOf(failure));
  }

  /** Policies have changed. */
  reconsider(): void {
    if (this.#over) return;
    const refusal = this.#decide(this.#downstream.request);
    if (refusal === undefined) return;
    this.#forwarder.count("connection-reevaluated");
    this.#stopUpstream();
    this.#refuse(refusal);
  }

  #decide(head: RequestHead): HttpRefusal | undefined {
    this.#decision = this.#forwarder.decide(head);
    if (this.#decision === undefined || this.#decision.effect === "allow") return undefined;
    return DENIED[this.#decision.reason];
  }

  /** What is written: the fields that were decided on, and ours. @returns why it cannot be written */
  #prepare(head: RequestHead): HttpRefusal | undefined {
    const { route } = this.#forwarder;
    const correlation = correlate(head.fields, route.random);
    this.#correlation = correlation;
    try {
      const additions = { correlation, clientCert: this.#forwarder.clientCert(), via: route.via() };
      this.#outgoing = outgoingRequest(head, additions);
      return undefined;
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      return error.refusal;
    }
  }

  #connect(options?: { readonly fresh: boolean; readonly avoid: string | undefined }): void {
    const { route, bucket } = this.#forwarder;
    this.#upstream = undefined;
    // It runs anew when the request has been sent again.
    this.#deadline?.clear();
    this.#acquisition = route.pool.acquire(bucket, this, options);
  }

  #hold(chunk: Uint8Array): void {
    if (this.#held === undefined) {
      // What was let go cannot be said again, and what is answered does not have to.
      if (this.#requestBytes > 0 || this.#status !== undefined) return;
      this.#held = [];
    } else if (
      // Before there is a connection everything is held: the client was paused long before it could be much.
      this.#upstream !== undefined &&
      (this.#requestBytes + chunk.length > MAX_HELD_BYTES || this.#held.length >= MAX_HELD_PIECES)
    ) {
      this.#held = undefined;
      return;
    }
    this.#held.push(chunk);
  }

  #awaitResponse(): void {
    const { responseMs, wheel } = this.#forwarder.route;
    if (responseMs === 0 || this.#status !== undefined) return;
    this.#deadline ??= wheel.take(() => this.#expired("response"));
    this.#deadline.set(responseMs);
  }

  #expired(deadline: "response" | "total"): void {
    if (this.#over) return;
    this.#stopUpstream();
    if (this.#status === undefined)
      this.#refuse({ status: 504, code: "MCA_PROXY_UPSTREAM_TIMEOUT", reason: `${deadline}-timeout` });
    else {
      this.#downstream.abort();
      this.#record(undefined, { by: "proxy", cause: { kind: "timeout", deadline } });
    }
  }

  /** Whether the target can not have acted on what it got, or may act twice (RFC 9110, section 9.2.2). */
  #isRepeatable({ received, unprocessed, cause }: UpstreamFailure): boolean {
    if (received || this.#attempts > 1 || cause.kind === "malformed") return false;
    if (this.#requestBytes > 0 && this.#held === undefined) return false;
    if (unprocessed) return true;
    switch (this.#downstream.request.method) {
      case "GET":
      case "HEAD":
      case "OPTIONS":
        return true;
      case "PUT":
      case "DELETE":
        return this.#requestBytes === 0 || this.#requestTrailers !== undefined;
      default:
        return false;
    }
  }

  /** Takes a retry from the budget, and decides again: policies may have changed since. */
  #canRepeat(): boolean {
    if (this.#decide(this.#downstream.request) !== undefined) return false;
    const allowed = this.#forwarder.route.retries.take();
    this.#forwarder.count(allowed ? "retry" : "retry-budget-spent");
    return allowed;
  }

  #stopUpstream(): void {
    this.#acquisition?.cancel();
    this.#acquisition = undefined;
    this.#upstream?.abort();
    this.#upstream = undefined;
  }

  #refuse(refusal: HttpRefusal): void {
    const responded = this.#status !== undefined;
    if (!responded) this.#status = refusal.status;
    this.#downstream.refuse(refusal, NO_SAFE_FIELDS);
    this.#record(refusal, responded ? { by: "proxy", cause: { kind: "closed", reason: refusal.reason } } : undefined);
  }

  #record(
    refusal: HttpRefusal | undefined,
    aborted: { by: "downstream" | "upstream" | "proxy"; cause: AbortCause } | undefined,
  ): void {
    if (this.#over) return;
    this.#over = true;
    this.#acquisition?.cancel();
    const { route, from } = this.#forwarder;
    if (this.#deadline !== undefined) route.wheel.give(this.#deadline);
    if (this.#total !== undefined) route.wheel.give(this.#total);
    this.#forwarder.ended(this);
    const { version, method, authority, target } = this.#downstream.request;
    route.observer.exchange({
      listener: route.listener,
      startedAt: this.#startedAt,
      durationMs: performance.now() - this.#began,
      protocol: version,
      method,
      authority,
      target,
      status: this.#status,
      requestBytes: this.#requestBytes,
      responseBytes: this.#responseBytes,
      peer: from.peer?.idText,
      remoteAddress: from.remoteAddress,
      decision: this.#decision,
      requestId: this.#correlation?.requestId,
      traceId: this.#correlation?.traceId,
      upstream: this.#pooled?.target,
      upstreamPeer: this.#pooled?.peer?.idText,
      attempts: this.#attempts,
      addedMs: this.#addedMs,
      refusal,
      aborted,
    });
  }
}

/** What a server engine answers to a request that breaks off. */
function toldOf(cause: AbortCause): HttpRefusal | undefined {
  if (cause.kind === "malformed") return cause.refusal;
  return cause.kind === "timeout" && cause.deadline === "body-idle" ? BODY_IDLE : undefined;
}

/** The response's half of an exchange. A second attempt has its own, so that a late word of the first is not mixed up with it. */
class UpstreamSide implements ClientEvents {
  readonly #exchange: ForwardedExchange;

  constructor(exchange: ForwardedExchange) {
    this.#exchange = exchange;
  }

  interim(status: 100 | 103, fields: SafeFields): void {
    this.#exchange.responseInterim(status, fields);
  }

  head(head: ResponseHead): void {
    this.#exchange.responseHead(head);
  }

  data(chunk: Uint8Array): void {
    this.#exchange.responseData(chunk);
  }

  end(trailers: SafeFields): void {
    this.#exchange.responseEnd(trailers);
  }

  writable(): void {
    this.#exchange.upstreamWritable();
  }

  failed(failure: UpstreamFailure): void {
    this.#exchange.upstreamFailed(failure);
  }
}
