// The requests of one downstream connection: each is decided, given a connection to a target, and carried there and back. What is the
// same for all of them (the peer, the narrowed policies, the forwarded-client-cert element) is kept here.
import type { ProxyPeer } from "../../identity/peer.ts";
import type { ConnectionDecider, Decision } from "../../policy/decision.ts";
import type { RefusedHead } from "../engine-options.ts";
import type { RequestHandler, RequestHead } from "../exchange.ts";
import { NO_SAFE_FIELDS, type SafeFields, safe, xfccElement } from "../fields/index.ts";
import { Roster } from "../roster.ts";
import { ForwardedExchange } from "./exchange.ts";
import type { ForwardRoute } from "./route.ts";

/** Who is at the downstream end. */
export interface ForwardedPeer {
  /** Undefined: plaintext of the local application. */
  readonly peer: ProxyPeer | undefined;
  /** Undefined: a Unix socket. */
  readonly remoteAddress: string | undefined;
  /** The port that the listener is bound to; undefined: a Unix socket. */
  readonly port: number | undefined;
  /** The host that the client asked for in its handshake (SNI); undefined: none. */
  readonly serverName?: string | undefined;
}

export class Forwarder {
  readonly route: ForwardRoute;
  readonly from: ForwardedPeer;
  /** Connections to targets are kept apart by it. */
  readonly bucket: string;
  readonly #active = new Roster<ForwardedExchange>();
  #decider: ConnectionDecider | undefined;
  #policyRevision = 0;
  #clientCert: SafeFields | undefined;
  #clientCertBy = "";

  constructor(route: ForwardRoute, from: ForwardedPeer) {
    this.route = route;
    this.from = from;
    this.bucket = route.shareUpstream ? "" : (from.peer?.idText ?? "");
  }

  /** Give this to the server engine. */
  readonly handler: RequestHandler = (exchange) => {
    const forwarded = new ForwardedExchange(this, exchange);
    this.#active.add(forwarded);
    this.route.inProgress.exchanges += 1;
    forwarded.begin();
    return forwarded;
  };

  /** Decides by the present policies. Outbound listeners have none: the application may call whom the listener names. */
  decide(head: RequestHead): Decision | undefined {
    if (this.route.direction === "outbound") return undefined;
    return this.#present().decide(head);
  }

  /** Whether the present policies deny whatever this peer asks. */
  get allowsNothing(): boolean {
    return this.route.direction === "inbound" && this.#present().allowsNothing;
  }

  /** The XFCC field of the peer; none where there is no peer, or the listener does not say it. @throws RefusedError it cannot be written */
  clientCert(): SafeFields {
    const { peer } = this.from;
    if (peer === undefined || !this.route.setsClientCert) return NO_SAFE_FIELDS;
    const { ownId } = this.route.state.current();
    if (this.#clientCert === undefined || this.#clientCertBy !== ownId) {
      const element = xfccElement(ownId, peer, () => this.count("xfcc-pair-left-out"));
      this.#clientCert = safe(["x-forwarded-client-cert", element]);
      this.#clientCertBy = ownId;
    }
    return this.#clientCert;
  }

  /** Policies have changed: what is in progress is decided again, and ended where it is no longer allowed. */
  readonly reconsider = (): void => {
    for (const exchange of this.#active.all()) exchange.reconsider();
  };

  ended(exchange: ForwardedExchange): void {
    if (this.#active.delete(exchange)) this.route.inProgress.exchanges -= 1;
  }

  /** For the server engine: a head that never became an exchange. */
  readonly refusedHead = ({ refusal, protocol, raw, answered }: RefusedHead): void => {
    const { route, from } = this;
    route.observer.exchange({
      listener: route.listener,
      startedAt: route.clock.now(),
      durationMs: 0,
      protocol: raw?.version ?? protocol,
      method: raw?.method,
      authority: raw?.authority,
      target: raw?.target,
      status: answered ? refusal.status : undefined,
      requestBytes: 0,
      responseBytes: 0,
      peer: from.peer?.idText,
      remoteAddress: from.remoteAddress,
      decision: undefined,
      requestId: undefined,
      traceId: undefined,
      upstream: undefined,
      upstreamPeer: undefined,
      attempts: 0,
      addedMs: undefined,
      refusal,
      aborted: undefined,
    });
  };

  readonly count: (event: Parameters<ForwardRoute["observer"]["count"]>[0]) => void = (event) => {
    this.route.observer.count(event, this.route.listener);
  };

  #present(): ConnectionDecider {
    const { policyRevision, policies } = this.route.state.current();
    if (this.#decider === undefined || this.#policyRevision !== policyRevision) {
      this.#policyRevision = policyRevision;
      this.#decider = policies.forConnection({
        listener: this.route.listener,
        principal: this.from.peer?.id,
        sourceAddress: this.from.remoteAddress,
        port: this.from.port,
      });
    }
    return this.#decider;
  }
}
