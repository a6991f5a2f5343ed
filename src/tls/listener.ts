// A TLS listener that judges every peer itself, from the certificates it presented, on every connection (spec: TLS in Node).
// It owns its sockets from accept to close: each has an error handler, a time limit until the verdict, and a place in the
// bounds. It never reads `socket.authorized`, and a resumed session is destroyed unseen.
import { createServer as createTcpServer, type Socket, type Server as TcpServer } from "node:net";
import { createServer, type Server, type TLSSocket, type TlsOptions } from "node:tls";
import { Connections, type TlsConnection } from "./connections.ts";
import { TlsError } from "./errors.ts";
import { HandshakeAdmission } from "./handshake-admission.ts";
import type { TlsIdentity } from "./identity.ts";
import type { ListenAddress, TlsListener, TlsListenerCounts, TlsListenerOptions } from "./listener-options.ts";
import { serverTlsOptions, webServerTlsOptions } from "./options.ts";
import { presentedChain } from "./presented-chain.ts";
import {
  cannotListen,
  handshakeFailed,
  handshakeTimedOut,
  noIdentity,
  overloaded,
  peerExpired,
  requireFullHandshake,
  unusableIdentity,
} from "./refusal-errors.ts";
import { Refusals } from "./refusals.ts";
import { plainAddress, senderOf } from "./remote-address.ts";
import { rememberRaw } from "./reset.ts";

const DEFAULT_HANDSHAKE_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_DELAY_MS = 30_000;
const EXPIRY_CHECK_MS = 1_000;
const BACKLOG = 1_024;

/** Makes a listener; it accepts nothing before `listen`. */
export function createTlsListener<V>(options: TlsListenerOptions<V>): TlsListener<V> {
  return new Listener(options);
}

/**
 * A connection between accept and verdict. It ends once: by its verdict, by its first failure, or by the peer. Only one of its two
 * sockets is ever destroyed: destroying the TCP socket and then, in the same tick, the TLS socket on it ends the whole process
 * with a segmentation fault (Node 24.21); either of them takes the other along.
 */
interface Handshake {
  readonly key: string;
  readonly raw: Socket;
  /** What is to be destroyed: the TCP socket, and once there is one, the TLS socket on it. */
  socket: Socket;
  readonly remoteAddress: string;
  readonly sender: string;
  /** Ends the time limit and gives the place back. */
  release(): void;
  /** Closes the connection for a reason; only the first reason counts. */
  fail(error: unknown): void;
}

class Listener<V> implements TlsListener<V> {
  readonly #options: TlsListenerOptions<V>;
  readonly #timeoutMs: number;
  readonly #maxPerSender: number;
  readonly #admission: HandshakeAdmission;
  readonly #refusals: Refusals;
  /** By the two ends of the TCP connection, which is all that a TLS socket and its raw socket have in common. */
  readonly #handshakes = new Map<string, Handshake>();
  readonly #connections = new Connections<V>();
  readonly #tcp: TcpServer;
  /** Present from `listen` to `close`. It never listens itself: it is handed the accepted sockets. */
  #tls: Server | undefined;
  #shown: TlsIdentity | undefined;
  #stop = (): void => {};

  constructor(options: TlsListenerOptions<V>) {
    this.#options = options;
    this.#timeoutMs = options.handshakeTimeoutMs ?? DEFAULT_HANDSHAKE_TIMEOUT_MS;
    this.#maxPerSender = options.perAddress?.maxConnections ?? options.maxConnections;
    this.#admission = new HandshakeAdmission({
      maxHandshakes: options.maxHandshakes,
      maxHandshakesPerSender: options.perAddress?.maxHandshakes ?? Math.max(1, Math.floor(options.maxHandshakes / 4)),
    });
    this.#refusals = new Refusals(options.logger, options.clock);
    const { allowHalfOpen = false } = options;
    this.#tcp = createTcpServer(
      { allowHalfOpen, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_DELAY_MS },
      (raw) => this.#accept(raw),
    );
  }

  async listen(address: ListenAddress): Promise<{ host: string; port: number }> {
    const { identity, clock } = this.#options;
    const first = identity.current();
    if (first === undefined || first.notAfter <= clock.now()) throw noIdentity();
    this.#tls = this.#createTls(first);
    this.#shown = first;
    await this.#bind(address);
    const unsubscribe = identity.onChange(() => this.#rotate());
    const expiry = setInterval(() => this.#closeExpired(), EXPIRY_CHECK_MS);
    expiry.unref();
    this.#stop = () => {
      unsubscribe();
      clearInterval(expiry);
    };
    // The identity may have changed while the port was being opened.
    this.#rotate();
    const bound = this.#tcp.address();
    if (bound === null || typeof bound === "string") throw new TypeError("a TCP server has an address and a port");
    return { host: bound.address, port: bound.port };
  }

  async close(graceMs: number): Promise<void> {
    this.#stop();
    this.#tls = undefined;
    const closed = new Promise<void>((resolve) => this.#tcp.close(() => resolve()));
    for (const handshake of [...this.#handshakes.values()]) {
      handshake.release();
      handshake.socket.destroy();
    }
    const grace = setTimeout(() => this.#connections.destroyAll(), graceMs);
    await Promise.all([closed, this.#connections.allClosed()]);
    clearTimeout(grace);
  }

  connections(): Iterable<TlsConnection<V>> {
    return this.#connections.values();
  }

  counts(): TlsListenerCounts {
    return {
      handshakes: this.#admission.size,
      connections: this.#connections.size,
      accepted: this.#connections.accepted,
      refused: this.#refusals.counts,
    };
  }

  /** Complete ones, for the first use and for every rotation. */
  #tlsOptions(identity: TlsIdentity): TlsOptions {
    const { peers = "mesh", alpn, minVersion } = this.#options;
    return peers === "web" ? webServerTlsOptions(identity, { alpn }) : serverTlsOptions(identity, { alpn, minVersion });
  }

  #createTls(identity: TlsIdentity): Server {
    let server: Server;
    try {
      server = createServer({ ...this.#tlsOptions(identity), handshakeTimeout: this.#timeoutMs });
    } catch (error) {
      throw unusableIdentity(error);
    }
    server.on("secureConnection", (socket) => void this.#judge(socket));
    server.on("tlsClientError", (error, socket) => {
      const handshake = this.#handshakes.get(endsOf(socket));
      if (handshake !== undefined) handshake.socket = socket;
      handshake?.fail(handshakeFailed(error));
      // Node's own time limit only tells: the socket stays open unless it is destroyed here.
      socket.destroy();
    });
    server.on("error", (error) => this.#fault("the TLS server failed", error));
    return server;
  }

  #bind({ host, port, reusePort = false }: ListenAddress): Promise<void> {
    return new Promise((resolve, reject) => {
      const refused = (cause: Error): void => reject(cannotListen(host, port, cause));
      this.#tcp.once("error", refused);
      this.#tcp.listen({ host, port, reusePort, backlog: BACKLOG }, () => {
        this.#tcp.off("error", refused);
        this.#tcp.on("error", (error) => this.#fault("the listener failed", error));
        resolve();
      });
    });
  }

  /** Shows the present identity from the next handshake on. One that cannot be used leaves the last good one in place. */
  #rotate(): void {
    const next = this.#options.identity.current();
    if (next === this.#shown) return;
    try {
      if (next !== undefined) this.#tls?.setSecureContext(this.#tlsOptions(next));
      this.#shown = next;
    } catch (error) {
      this.#fault("the new certificate cannot be used; the last one stays", unusableIdentity(error));
    }
  }

  #accept(raw: Socket): void {
    raw.on("error", () => {});
    const { remoteAddress } = raw;
    if (this.#tls === undefined || remoteAddress === undefined) {
      raw.destroy();
      return;
    }
    try {
      this.#begin(raw, plainAddress(remoteAddress));
    } catch (error) {
      raw.destroy();
      this.#refusals.add(plainAddress(remoteAddress), error);
      return;
    }
    this.#tls.emit("connection", raw);
  }

  /** Gives a new connection its place and its time limit, or throws why it gets none. */
  #begin(raw: Socket, remoteAddress: string): void {
    const now = this.#options.clock.now();
    if (this.#shown === undefined || this.#shown.notAfter <= now) throw noIdentity();
    if (this.#connections.size + this.#admission.size >= this.#options.maxConnections) throw overloaded("connections");
    const sender = senderOf(remoteAddress);
    if (this.#connections.countOf(sender) + this.#admission.countOf(sender) >= this.#maxPerSender) {
      throw overloaded("connections from one address");
    }
    const evict = (): void => handshake.fail(overloaded("handshakes in progress"));
    const giveBack = this.#admission.admit(sender, { hasSpoken: () => raw.bytesRead > 0, evict }, now);
    if (giveBack === undefined) throw overloaded("handshakes in progress");
    const key = endsOf(raw);
    const limit = setTimeout(() => handshake.fail(handshakeTimedOut(this.#timeoutMs)), this.#timeoutMs);
    const left = (): void => {
      // Whoever never said a word was a port check: nothing to tell.
      if (raw.bytesRead > 0) handshake.fail(handshakeFailed("the peer closed the connection"));
      else handshake.release();
    };
    const handshake: Handshake = {
      key,
      raw,
      socket: raw,
      remoteAddress,
      sender,
      release: () => {
        clearTimeout(limit);
        // It would keep all of this for as long as the connection is open.
        raw.off("close", left);
        giveBack();
        this.#handshakes.delete(key);
      },
      fail: (error) => {
        if (this.#handshakes.get(key) !== handshake) return;
        handshake.release();
        handshake.socket.destroy();
        this.#refusals.add(remoteAddress, error);
      },
    };
    this.#handshakes.set(key, handshake);
    raw.once("close", left);
  }

  async #judge(socket: TLSSocket): Promise<void> {
    socket.on("error", () => {});
    const handshake = this.#handshakes.get(endsOf(socket));
    if (handshake === undefined) {
      socket.destroy();
      return;
    }
    handshake.socket = socket;
    const { remoteAddress, sender } = handshake;
    try {
      requireFullHandshake(socket);
      this.#settleAlpn(socket);
      const verdict = await this.#options.judge(presentedChain(socket), { remoteAddress });
      // Evicted, timed out, hung up or closed while the verdict was being found.
      if (this.#handshakes.get(handshake.key) !== handshake) return;
      handshake.release();
      rememberRaw(socket, handshake.raw);
      this.#hand({ socket, verdict, remoteAddress }, sender);
    } catch (error) {
      handshake.fail(error);
    }
  }

  #hand(connection: TlsConnection<V>, sender: string): void {
    const { socket, verdict } = connection;
    try {
      this.#connections.add(connection, sender, this.#options.expiresAt?.(verdict));
      this.#options.onConnection(socket, verdict);
    } catch (error) {
      socket.destroy();
      this.#fault("a judged connection could not be handed over", error);
    }
  }

  #settleAlpn(socket: TLSSocket): void {
    const { alpn, missingAlpn } = this.#options;
    if (alpn.length === 0 || typeof socket.alpnProtocol === "string") return;
    if (missingAlpn === "refuse") {
      const offer = alpn.join(" or ");
      throw new TlsError("MCA_TLS_ALPN_REFUSED", `The peer offered no application protocol: it must offer ${offer}.`);
    }
    if (missingAlpn === "h2") socket.alpnProtocol = "h2";
  }

  #closeExpired(): void {
    for (const { remoteAddress, expiresAt } of this.#connections.destroyExpired(this.#options.clock.now())) {
      this.#refusals.add(remoteAddress, peerExpired(expiresAt));
    }
  }

  #fault(message: string, error: unknown): void {
    this.#options.logger.error({ event: "tls.fault", error }, message);
  }
}

function endsOf(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress}`;
}
