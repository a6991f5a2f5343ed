// Real TLS endpoints for tests: an identity that can be changed, a listener with short limits, a log that remembers.
import { type Socket, connect as tcpConnect } from "node:net";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { type Clock, type LogFields, type Logger, systemClock } from "../../../src/runtime/index.ts";
import {
  createTlsListener,
  type IdentitySource,
  type TlsIdentity,
  type TlsListener,
  type TlsListenerOptions,
} from "../../../src/tls/index.ts";
import { type Certificate, toHex } from "../../../src/x509/index.ts";
import { chainPem, createIntermediate, createLeaf, createRoot, type TestCertificate } from "../../support/pki.ts";

export { until } from "../../support/until.ts";

/** A trust domain's CA with a server and a client, and a sibling CA under the same root. */
export const root = createRoot();
export const authority = createIntermediate(root, { pathLength: 0 });
export const sibling = createIntermediate(root, { pathLength: 0 });
export const serverLeaf = createLeaf(authority, { spiffeId: "spiffe://example.test/mesh-ca/server" });
export const clientLeaf = createLeaf(authority, { spiffeId: "spiffe://example.test/cart" });

export function identityOf(leaf: TestCertificate, ...intermediates: readonly TestCertificate[]): TlsIdentity {
  return {
    certificateChainPem: chainPem(leaf, ...intermediates),
    privateKeyPem: leaf.keyPem,
    notAfter: leaf.certificate.notAfter,
  };
}

export const serverIdentity = identityOf(serverLeaf, authority);
export const clientIdentity = identityOf(clientLeaf, authority);

/** An identity that a test changes by `set`. */
export class ChangingIdentity implements IdentitySource {
  readonly #listeners = new Set<() => void>();
  #current: TlsIdentity | undefined;

  constructor(first: TlsIdentity | undefined) {
    this.#current = first;
  }

  current(): TlsIdentity | undefined {
    return this.#current;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  set(next: TlsIdentity | undefined): void {
    this.#current = next;
    for (const listener of this.#listeners) listener();
  }

  get listeners(): number {
    return this.#listeners.size;
  }
}

/** A logger that keeps its lines. */
export class LogLines implements Logger {
  readonly lines: { level: string; fields: LogFields; message: string }[] = [];
  debug(fields: LogFields, message: string): void {
    this.lines.push({ level: "debug", fields, message });
  }
  info(fields: LogFields, message: string): void {
    this.lines.push({ level: "info", fields, message });
  }
  warn(fields: LogFields, message: string): void {
    this.lines.push({ level: "warn", fields, message });
  }
  error(fields: LogFields, message: string): void {
    this.lines.push({ level: "error", fields, message });
  }
  fatal(fields: LogFields, message: string): void {
    this.lines.push({ level: "fatal", fields, message });
  }
  child(): Logger {
    return this;
  }
  codes(): unknown[] {
    return this.lines.map(({ fields }) => fields["code"]);
  }
}

/** A clock that a test moves. */
export class MovableClock implements Clock {
  offsetMs = 0;
  now(): number {
    return systemClock.now() + this.offsetMs;
  }
}

/** What the test listener found about a peer: the subjects that it presented, by serial number. */
export interface Seen {
  readonly chain: readonly Certificate[];
  readonly remoteAddress: string;
}

export interface TestListener {
  readonly listener: TlsListener<Seen>;
  readonly port: number;
  readonly host: string;
  readonly identity: ChangingIdentity;
  readonly log: LogLines;
  readonly clock: MovableClock;
  /** One for each judged connection. */
  readonly accepted: { socket: TLSSocket; verdict: Seen }[];
  [Symbol.asyncDispose](): Promise<void>;
}

/** A listener on a free port that greets each judged peer with one byte, unless the test takes connections itself. */
export async function startListener(overrides: Partial<TlsListenerOptions<Seen>> = {}): Promise<TestListener> {
  const identity = new ChangingIdentity(serverIdentity);
  const log = new LogLines();
  const clock = new MovableClock();
  const accepted: TestListener["accepted"] = [];
  const listener = createTlsListener<Seen>({
    identity,
    alpn: ["h2"],
    missingAlpn: "h2",
    judge: (chain, { remoteAddress }) => ({ chain, remoteAddress }),
    onConnection(socket, verdict) {
      accepted.push({ socket, verdict });
      socket.write("!");
    },
    maxConnections: 1_000,
    maxHandshakes: 100,
    clock,
    logger: log,
    ...overrides,
  });
  const { host, port } = await listener.listen({ host: "127.0.0.1", port: 0 });
  return { listener, host, port, identity, log, clock, accepted, [Symbol.asyncDispose]: () => listener.close(0) };
}

/** A plain Node client, for what our own never does. Resolves at the first byte (accepted) or the end (refused). */
export function rawClient(
  port: number,
  options: ConnectionOptions & { readonly localAddress?: string } = {},
): Promise<{ socket: TLSSocket; accepted: boolean }> {
  return new Promise((resolve) => {
    const socket = connect({
      host: "127.0.0.1",
      port,
      rejectUnauthorized: false,
      ca: [],
      ALPNProtocols: ["h2"],
      ...options,
    });
    socket.on("error", () => {});
    socket.once("data", () => resolve({ socket, accepted: true }));
    socket.once("close", () => resolve({ socket, accepted: false }));
  });
}

/** A TCP connection that says nothing. */
export function silentConnection(port: number, host = "127.0.0.1"): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = tcpConnect({ port, host });
    socket.on("error", () => {});
    // Reads and forgets, or it would never notice the end.
    socket.resume();
    socket.once("connect", () => resolve(socket));
  });
}

export function serials(chain: readonly Certificate[]): string[] {
  return chain.map(({ serial }) => toHex(serial));
}

export function serialsOf(...certificates: readonly TestCertificate[]): string[] {
  return serials(certificates.map(({ certificate }) => certificate));
}

/** Resolves when a socket has closed. */
export function closeOf(socket: Socket): Promise<void> {
  return socket.closed ? Promise.resolve() : new Promise((resolve) => socket.once("close", () => resolve()));
}
