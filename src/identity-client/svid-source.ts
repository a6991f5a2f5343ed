// An identity that stays fresh: enrols, renews, follows trust, and hands out TLS that follows both. What a workload, a proxy, an agent
// and the CLI use of mesh-ca. Never imports the server's rooms: it knows the published .proto only.
import type * as https from "node:https";
import type { TLSSocket } from "node:tls";
import { expectServer, parseTrustFile, type TrustSet } from "../spiffe/index.ts";
import { connectTls, type IdentitySource } from "../tls/index.ts";
import type { Certificate } from "../x509/index.ts";
import { Enroller, type Enrolment } from "./enroller.ts";
import { IdentityClientError } from "./errors.ts";
import { readText } from "./evidence.ts";
import { chooseTrust } from "./initial-trust.ts";
import { LinkHolder } from "./link-holder.ts";
import { MeshAgent } from "./mesh-agent.ts";
import { createMeshServer, httpOverMesh, type MeshRequestHandler, type MeshServer } from "./mesh-server.ts";
import { OpenConnections } from "./open-connections.ts";
import type { SvidSourceOptions } from "./options.ts";
import { type Peer, type PeerRule, peerJudge } from "./peer.ts";
import { type RenewalOrder, RenewalOrders } from "./renewal-orders.ts";
import { reasonFields } from "./server-error.ts";
import { type SourceSettings, sourceSettings } from "./settings.ts";
import type { Svid } from "./svid.ts";
import { SvidKeeper } from "./svid-keeper.ts";
import { memoryStore, openStateDir, type StoredState, type StoredSvid, type SvidStore } from "./svid-store.ts";
import { TrustKeeper } from "./trust-keeper.ts";
import { renewalsOf, stateOf, trustSetOf } from "./trust-state.ts";
import { TrustWatcher } from "./trust-watcher.ts";

/** How the source is doing. */
export type SourceHealth =
  /** Everything is as it should be. */
  | { readonly kind: "fresh"; readonly notAfter: number; readonly renewAt: number }
  /** The certificate is valid, but renewing it fails for now. */
  | {
      readonly kind: "renewal-failing";
      readonly notAfter: number;
      readonly since: number;
      readonly attempts: number;
      readonly error: Error;
    }
  /** There is no valid certificate. */
  | { readonly kind: "expired"; readonly attempts: number; readonly error: Error | undefined };

export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  /** Who must be there. */
  readonly expect: PeerRule;
  /** ALPN protocols, in order of preference. Default: none. */
  readonly alpn?: readonly string[];
  /** From connect to verdict. Default 10,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface ServerOptions {
  /** Who may connect. */
  readonly allow: PeerRule;
  /** ALPN protocols. Default: none for TLS, http/1.1 for HTTPS. A client that offers no ALPN is served too. */
  readonly alpn?: readonly string[];
  /** Default 10,000. */
  readonly maxConnections?: number;
}

/** A trust that begins to hold for whoever is not in it only after this long, so that a herd does not renew at once. */
const UNTRUSTED_SPREAD_MS = 5_000;

export class SvidSource {
  readonly #settings: SourceSettings;
  readonly #store: SvidStore;
  readonly #trust: TrustKeeper;
  readonly #keeper: SvidKeeper;
  readonly #links: LinkHolder;
  readonly #watcher: TrustWatcher;
  readonly #connections: OpenConnections;
  readonly #listeners = new Set<() => void>();
  readonly #stop = new AbortController();
  readonly #identity: IdentitySource;
  readonly #orders = new RenewalOrders();
  #saving: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;

  private constructor(settings: SourceSettings, store: SvidStore, state: StoredState, trust: TrustSet | undefined) {
    const { clock, random, logger, callTimeoutMs } = settings;
    this.#settings = settings;
    this.#store = store;
    this.#trust = new TrustKeeper({ trust, clock, logger });
    this.#connections = new OpenConnections(clock);
    this.#links = new LinkHolder({
      address: () => settings.server ?? this.#keeper.stored?.server ?? "",
      judge: (chain) => expectServer(this.#trust.verify(chain)),
      // The newest certificate, also after its expiry: the server decides whether that still renews.
      identity: () => this.#keeper.stored?.svid.tlsIdentity,
      callTimeoutMs,
    });
    this.#keeper = new SvidKeeper({
      enroller: new Enroller({
        settings,
        store,
        trust: this.#trust,
        pending: state.pending,
        signal: this.#stop.signal,
      }),
      links: this.#links,
      clock,
      random,
      logger,
      stored: state.svid,
      hasEvidence: settings.evidence.kind !== "none",
      adopt: (enrolment) => this.#adopt(enrolment),
    });
    this.#watcher = new TrustWatcher({
      links: this.#links,
      clock,
      random,
      logger,
      trustDomain: () => this.trust().trustDomain,
      learn: (state) => this.#trust.learn(state),
      renew: (orders) => this.#renewalTold(orders),
    });
    this.#identity = {
      current: () => this.#valid()?.tlsIdentity,
      onChange: (listener) => this.onChange(listener),
    };
    this.#trust.onChange(() => this.#trustChanged());
  }

  /**
   * Begins from the state directory if it holds an identity, else enrols by the evidence given. While the server is away it tries
   * again until `startTimeoutMs` is over; a valid identity in the state directory needs no server to start with.
   * @throws ServerRefusal (the server's code), IdentityClientError, SpiffeError
   */
  static async start(options: SvidSourceOptions): Promise<SvidSource> {
    const settings = sourceSettings(options);
    const store = settings.stateDir === undefined ? memoryStore() : await openStateDir(settings.stateDir);
    try {
      const state = await store.load();
      for (const error of state.damage) settings.logger.error({ event: "state.damaged", error }, error.message);
      const file = settings.trustFile === undefined ? undefined : await readTrustFile(settings.trustFile);
      const trust = chooseTrust(state.trust, file, settings.clock.now());
      const beginning = usableState(state, settings, trust);
      const source = new SvidSource(settings, store, beginning, trust);
      await source.#begin();
      return source;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  /** The valid SVID. @throws IdentityClientError MCA_CLIENT_NO_SVID while there is none */
  current(): Svid {
    const svid = this.#valid();
    if (svid !== undefined) return svid;
    throw new IdentityClientError(
      "MCA_CLIENT_NO_SVID",
      "The certificate has expired and could not be renewed yet. See health() for the reason.",
      { cause: this.#keeper.trouble?.error },
    );
  }

  /** What is trusted now. */
  trust(): TrustSet {
    return this.#trust.current();
  }

  health(): SourceHealth {
    const svid = this.#valid();
    const trouble = this.#keeper.trouble;
    if (svid === undefined) return { kind: "expired", attempts: trouble?.attempts ?? 0, error: trouble?.error };
    if (trouble !== undefined) return { kind: "renewal-failing", notAfter: svid.notAfter, ...trouble };
    return { kind: "fresh", notAfter: svid.notAfter, renewAt: svid.renewAt };
  }

  /** Calls `listener` after each new SVID and each change of trust; returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Renews without waiting for its time. @throws what the attempt fails with; the valid SVID stays in use */
  async renew(): Promise<Svid> {
    return (await this.#keeper.attempt()).svid;
  }

  /** Verifies a chain presented by a peer of the mesh, now. @throws SpiffeError */
  verifyPeer(chain: readonly Certificate[], rule: PeerRule): Peer {
    return peerJudge(rule, (presented) => this.#trust.verify(presented))(chain);
  }

  /** A TLS server that shows the present SVID and serves the peers that the rule allows. */
  createTlsServer(options: ServerOptions, onConnection: (socket: TLSSocket, peer: Peer) => void): MeshServer {
    return this.#server(options, options.alpn ?? [], { onConnection });
  }

  /** An HTTPS server (HTTP/1.1) that does the same; the handler is given the verified peer of each request. */
  createHttpsServer(options: ServerOptions, onRequest: MeshRequestHandler): MeshServer {
    return this.#server(options, options.alpn ?? ["http/1.1"], httpOverMesh(onRequest));
  }

  /**
   * Connects by mTLS. The socket is given away after the peer was verified; it is closed when the peer's certificate expires or is no
   * longer trusted. In TLS 1.3 the peer's refusal of *our* certificate shows on the first read, not here.
   * @throws SpiffeError, TlsError, IdentityClientError MCA_CLIENT_NO_SVID
   */
  async connect(options: ConnectOptions): Promise<TLSSocket> {
    return (await this.#connect(options)).socket;
  }

  /** An agent for `https.request`: connections are kept, and replaced well before either certificate expires. */
  httpsAgent({ expect }: { readonly expect: PeerRule }): https.Agent {
    return new MeshAgent({
      clock: this.#settings.clock,
      connect: (address) => this.#connect({ ...address, expect, alpn: ["http/1.1"] }),
    });
  }

  /** Stops renewing and watching, closes connections of `connect`, and gives the state directory free. Servers are closed by their owner. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #begin(): Promise<void> {
    const { clock, startTimeoutMs, onWaiting, signal, logger } = this.#settings;
    const onAbort = (): void => {
      this.#stop.abort();
      void this.close();
    };
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      if (signal?.aborted) this.#stop.abort();
      if (this.#valid() === undefined) {
        await this.#keeper.first(clock.now() + startTimeoutMs, this.#stop.signal, onWaiting);
      }
      if (this.trust().authorities === undefined) {
        logger.warn(
          { event: "trust.anchors_only" },
          "Only anchors are known: a sibling CA under the same root could pose as a peer (rule X-16 is off) until the server tells its authorities.",
        );
      }
      this.#keeper.run();
      this.#watcher.start();
    } catch (error) {
      signal?.removeEventListener("abort", onAbort);
      this.#keeper.close();
      this.#links.close();
      throw error;
    }
  }

  async #close(): Promise<void> {
    this.#stop.abort();
    this.#keeper.close();
    this.#watcher.close();
    this.#links.close();
    this.#connections.close();
    await this.#saving;
    await this.#store.close();
  }

  #valid(): Svid | undefined {
    const svid = this.#keeper.stored?.svid;
    return svid !== undefined && this.#settings.clock.now() < svid.notAfter ? svid : undefined;
  }

  #adopt({ svid, snapshot, freshTrust }: Enrolment): void {
    const state = stateOf(snapshot);
    if (freshTrust) this.#trust.replace(trustSetOf(state));
    else this.#trust.learn(state);
    this.#settings.logger.info(
      {
        event: "svid.obtained",
        id: svid.id.toString(),
        serial: svid.serial,
        notAfter: new Date(svid.notAfter).toISOString(),
        renewAt: new Date(svid.renewAt).toISOString(),
        rule: svid.rule,
        logIndex: svid.logIndex.toString(),
        ...(svid.shortenedBy === "" ? {} : { shortenedBy: svid.shortenedBy }),
      },
      "A fresh identity is in use.",
    );
    this.#notify();
    // It may have been told while the attempt ran. Looked at when the keeper rests again, which is not before this returns.
    setImmediate(() => this.#renewalTold(renewalsOf(state)));
  }

  #trustChanged(): void {
    const trust = this.trust();
    this.#saving = this.#saving
      .then(() => this.#store.saveTrust(trust))
      .catch((error: unknown) => {
        this.#settings.logger.error(
          { event: "state.not_written", ...reasonFields(error) },
          "The trust file cannot be written.",
        );
      });
    this.#connections.judgeAgain();
    this.#links.judgeAgain();
    const svid = this.#valid();
    if (svid !== undefined && !this.#isTrusted(svid)) {
      this.#settings.logger.error(
        { event: "svid.no_longer_trusted", serial: svid.serial },
        "The present certificate is revoked, or its authority is no longer trusted; another one is asked for.",
      );
      this.#keeper.hurry(UNTRUSTED_SPREAD_MS);
    }
    this.#notify();
  }

  #isTrusted(svid: Svid): boolean {
    try {
      this.#trust.verify(svid.chain);
      return true;
    } catch {
      return false;
    }
  }

  #renewalTold(orders: readonly RenewalOrder[]): void {
    for (const order of orders) this.#orders.tell(order);
    const svid = this.#valid();
    if (!this.#orders.any || svid === undefined) return;
    try {
      const { issuer } = this.#trust.verify(svid.chain);
      const { spkiSha256 } = issuer.publicKey;
      const spreadMs = this.#orders.spreadFor(spkiSha256);
      if (spreadMs === undefined || !this.#keeper.hurry(spreadMs)) return;
      this.#orders.obeyed(spkiSha256);
      this.#settings.logger.info(
        { event: "svid.renewal_ordered", authority: spkiSha256, serial: svid.serial, spreadMs },
        "The server asks the holders of certificates by this authority to renew now.",
      );
    } catch {
      // No longer trusted at all: #trustChanged has asked for another one.
    }
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener();
      } catch (error) {
        this.#settings.logger.error({ event: "source.listener_failed", error }, "A listener of the source threw.");
      }
    }
  }

  #server(
    { allow, maxConnections }: ServerOptions,
    alpn: readonly string[],
    hooks: { onConnection(socket: TLSSocket, peer: Peer): void; onClosing?(): () => void },
  ): MeshServer {
    const { clock, logger } = this.#settings;
    return createMeshServer({
      identity: this.#identity,
      judge: peerJudge(allow, (chain) => this.#trust.verify(chain)),
      alpn,
      maxConnections: maxConnections ?? 10_000,
      clock,
      logger,
      onTrustChange: (listener) => this.#trust.onChange(listener),
      ...hooks,
    });
  }

  async #connect(options: ConnectOptions): Promise<{ socket: TLSSocket; expiresAt: number }> {
    if (this.#closed !== undefined) throw new IdentityClientError("MCA_CLIENT_CLOSED", "The source was closed.");
    const own = this.current();
    const judge = peerJudge(options.expect, (chain) => this.#trust.verify(chain));
    let judged: { readonly peer: Peer; readonly chain: readonly Certificate[] } | undefined;
    const socket = await connectTls({
      host: options.host,
      port: options.port,
      identity: own.tlsIdentity,
      alpn: options.alpn ?? [],
      verify: (chain) => {
        judged = { peer: judge(chain), chain };
      },
      timeoutMs: options.timeoutMs ?? 10_000,
      signal: options.signal,
    });
    if (judged === undefined) {
      socket.destroy();
      throw new TypeError("connectTls gave a socket away without asking for a verdict");
    }
    const { peer, chain } = judged;
    const expiresAt = Math.min(peer.notAfter, own.notAfter);
    this.#connections.add({ socket, expiresAt: peer.notAfter, judgeAgain: () => void judge(chain) });
    return { socket, expiresAt };
  }
}

async function readTrustFile(file: string): Promise<TrustSet> {
  return parseTrustFile(await readText(file, "trust file"));
}

/** A stored identity of use: it needs trust to reach its server. Without any it is left aside, and evidence is asked for. */
function usableState(state: StoredState, settings: SourceSettings, trust: TrustSet | undefined): StoredState {
  const stored: StoredSvid | undefined = state.svid;
  if (stored === undefined) return state;
  if (trust?.trustDomain.equals(stored.svid.id.trustDomain)) return state;
  settings.logger.warn(
    { event: "state.without_trust" },
    "The state directory holds an identity but no trust that fits; fresh evidence is asked for.",
  );
  return { ...state, svid: undefined };
}
