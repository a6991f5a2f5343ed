// An Identity API that does what a test tells it to: lose answers, die after issuing, answer nonsense, be an impostor. For faults
// only; what a good server does is tested against the real one (test/e2e).
import { createPublicKey } from "node:crypto";
import * as net from "node:net";
import {
  Metadata,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
  type sendUnaryData,
  status,
} from "@grpc/grpc-js";
import {
  type IdentityServiceServer,
  IdentityServiceService,
  type IssueX509SvidRequest,
  type IssueX509SvidResponse,
  type TrustSnapshot,
  type WatchTrustRequest,
  type WatchTrustResponse,
} from "../../src/proto/gen/meshca/identity/v1/identity.ts";
import { silentLogger, systemClock } from "../../src/runtime/index.ts";
import { encodeJoinToken, serverId } from "../../src/spiffe/index.ts";
import { createTlsListener, type TlsIdentity, type TlsListener } from "../../src/tls/index.ts";
import { type Certificate, parseCsr, sha256, toHex } from "../../src/x509/index.ts";
import { createLeaf, type TestCertificate } from "../support/pki.ts";
import { trustDomain } from "./helpers.ts";

/** What the server does with one request for a certificate. */
export type Behaviour =
  | { readonly kind: "answer" }
  /** Issues, and cuts the connection instead of answering. */
  | { readonly kind: "lose-answer" }
  /** Never answers. */
  | { readonly kind: "silence" }
  | { readonly kind: "refuse"; readonly code: string; readonly status: number }
  /** Answers something else than it should. */
  | { readonly kind: "alter"; alter(response: IssueX509SvidResponse): IssueX509SvidResponse };

/** One request as it arrived. */
export interface SeenRequest {
  readonly evidence: NonNullable<IssueX509SvidRequest["evidence"]>["$case"] | undefined;
  /** Lower-case hex of the SHA-256 of the CSR's key. */
  readonly spkiSha256: string;
  /** The serial of the client certificate of the connection. */
  readonly presented: string | undefined;
  readonly joinToken: string | undefined;
}

export interface FaultyServerOptions {
  readonly authority: TestCertificate;
  /** Default: the exact ID of a mesh-ca server. */
  readonly id?: string;
  /** Lifetime of what it issues, in milliseconds. Default one hour. */
  readonly ttlMs?: number;
  readonly renewAfterMs?: number;
  readonly now?: () => number;
  readonly port?: number;
}

const HOUR_MS = 3_600_000;

export class FaultyServer {
  readonly authority: TestCertificate;
  readonly requests: SeenRequest[] = [];
  /** Revisions that clients said to have taken over, in order. */
  readonly acknowledged: bigint[] = [];
  acknowledge: "yes" | "unavailable" | "unimplemented" = "yes";
  /** Serials that were shown on a connection, in order. */
  readonly connections: (string | undefined)[] = [];
  behave: (request: SeenRequest) => Behaviour = () => ({ kind: "answer" });
  ttlMs: number;
  renewAfterMs: number;
  /** The SPIFFE ID of the next certificate. Undefined: that of the certificate shown, or /cart. */
  grant: string | undefined;
  now: () => number;
  sequence = 1n;
  /** Further changes to the snapshot that is told. */
  alterTrust: (snapshot: TrustSnapshot) => TrustSnapshot = (snapshot) => snapshot;
  port = 0;
  readonly #id: string;
  readonly #streams = new Set<ServerWritableStream<WatchTrustRequest, WatchTrustResponse>>();
  readonly #chains = new Map<string, readonly Certificate[]>();
  readonly #sockets = new Set<net.Socket>();
  readonly #issued = new Map<string, TestCertificate>();
  readonly #ids = new Map<string | undefined, string>();
  #grpc: Server | undefined;
  #listener: TlsListener<readonly Certificate[]> | undefined;
  #plain: net.Server | undefined;

  private constructor(options: FaultyServerOptions) {
    this.authority = options.authority;
    this.#id = options.id ?? serverId(trustDomain).toString();
    this.ttlMs = options.ttlMs ?? HOUR_MS;
    this.renewAfterMs = options.renewAfterMs ?? this.ttlMs / 2;
    this.now = options.now ?? (() => Date.now());
  }

  static async start(options: FaultyServerOptions): Promise<FaultyServer> {
    const server = new FaultyServer(options);
    await server.listen(options.port ?? 0);
    return server;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** A join token that pins this server's authority, or others. */
  token(pins: readonly string[] = [this.authority.certificate.publicKey.spkiSha256]): string {
    const secret = crypto.getRandomValues(new Uint8Array(32));
    return encodeJoinToken({ trustDomain, server: this.address, pins, secret });
  }

  /** Opens the port, again after `stop`. */
  async listen(port = this.port): Promise<void> {
    const grpc = new Server();
    const handlers: IdentityServiceServer = {
      issueX509Svid: (call, callback) => this.#issue(call, callback),
      watchTrust: (call) => this.#watch(call),
      acknowledgeTrust: (call, callback) => {
        this.acknowledged.push(call.request.revision);
        if (this.acknowledge === "yes") callback(null, {});
        else callback({ code: this.acknowledge === "unavailable" ? status.UNAVAILABLE : status.UNIMPLEMENTED });
      },
      explainIdentity: (_call, callback) => callback({ code: status.UNIMPLEMENTED }),
    };
    grpc.addService(IdentityServiceService, handlers);
    const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
    const identity = this.#identity();
    this.#listener = createTlsListener<readonly Certificate[]>({
      identity: { current: () => identity, onChange: () => () => {} },
      alpn: ["h2"],
      missingAlpn: "h2",
      judge: (chain) => chain,
      onConnection: (socket, chain) => {
        this.#sockets.add(socket);
        socket.on("close", () => this.#sockets.delete(socket));
        this.#chains.set(`${socket.remoteAddress}:${socket.remotePort}`, chain);
        this.connections.push(chain[0]?.serialHex);
        injector.injectConnection(socket);
      },
      maxConnections: 100,
      maxHandshakes: 100,
      clock: systemClock,
      logger: silentLogger,
    });
    this.#grpc = grpc;
    ({ port: this.port } = await this.#listener.listen({ host: "127.0.0.1", port }));
  }

  /** Opens a plaintext port to the same service, for an impostor that relays. */
  async listenPlain(): Promise<number> {
    const grpc = this.#grpc;
    if (grpc === undefined) throw new TypeError("not listening");
    const injector = grpc.createConnectionInjector(ServerCredentials.createInsecure());
    const plain = net.createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => this.#sockets.delete(socket));
      injector.injectConnection(socket);
    });
    this.#plain = plain;
    await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
    const address = plain.address();
    if (address === null || typeof address === "string") throw new TypeError("no port");
    return address.port;
  }

  /** Cuts every connection and closes the port. */
  async stop(): Promise<void> {
    this.cut();
    this.#plain?.close();
    await this.#listener?.close(0);
    this.#grpc?.forceShutdown();
    this.#streams.clear();
  }

  /** Cuts every connection; the port stays open. */
  cut(): void {
    for (const socket of [...this.#sockets]) socket.destroy();
  }

  /** Sends a message to every trust stream. */
  push(message: WatchTrustResponse): void {
    for (const stream of this.#streams) stream.write(message);
  }

  /** Sends the present snapshot to every trust stream. */
  pushSnapshot(): void {
    this.push({ revision: this.sequence, update: { $case: "snapshot", value: this.snapshot() } });
  }

  get watchers(): number {
    return this.#streams.size;
  }

  snapshot(): TrustSnapshot {
    const { certificate } = this.authority;
    return this.alterTrust({
      trustDomain: trustDomain.name,
      serverId: serverId(trustDomain).toString(),
      anchors: [certificate.der],
      authorities: [
        {
          certificate: certificate.der,
          spkiSha256: sha256(certificate.publicKey.spki),
          state: 2,
          intermediates: [],
          renewSpreadSeconds: 0,
        },
      ],
      distrustedSpkiSha256: [],
      revocations: [],
      sequence: this.sequence,
      refreshHintSeconds: 300,
      revision: this.sequence,
      renewNow: undefined,
    });
  }

  #identity(): TlsIdentity {
    const leaf = createLeaf(this.authority, { spiffeId: this.#id, notAfter: Date.now() + 24 * HOUR_MS });
    return { certificateChainPem: leaf.pem, privateKeyPem: leaf.keyPem, notAfter: leaf.certificate.notAfter };
  }

  #watch(call: ServerWritableStream<WatchTrustRequest, WatchTrustResponse>): void {
    this.#streams.add(call);
    call.on("cancelled", () => this.#streams.delete(call));
    call.on("close", () => this.#streams.delete(call));
    call.on("error", () => this.#streams.delete(call));
    call.write({ revision: this.sequence, update: { $case: "snapshot", value: this.snapshot() } });
  }

  #issue(
    call: ServerUnaryCall<IssueX509SvidRequest, IssueX509SvidResponse>,
    callback: sendUnaryData<IssueX509SvidResponse>,
  ): void {
    const { request } = call;
    const csr = parseCsr(request.csr);
    const seen: SeenRequest = {
      evidence: request.evidence?.$case,
      spkiSha256: csr.publicKey.spkiSha256,
      presented: this.#chains.get(call.getPeer())?.[0]?.serialHex,
      joinToken: request.evidence?.$case === "joinToken" ? request.evidence.value : undefined,
    };
    this.requests.push(seen);
    const behaviour = this.behave(seen);
    switch (behaviour.kind) {
      case "answer":
        callback(null, this.#certify(csr.publicKey.spki, seen));
        break;
      case "alter":
        callback(null, behaviour.alter(this.#certify(csr.publicKey.spki, seen)));
        break;
      case "lose-answer":
        this.#certify(csr.publicKey.spki, seen);
        this.cut();
        break;
      case "silence":
        break;
      case "refuse": {
        const metadata = new Metadata();
        metadata.set("mca-code", behaviour.code);
        callback({ code: behaviour.status, details: "Refused by the test.", metadata });
      }
    }
  }

  #certify(spki: Uint8Array, { spkiSha256, presented }: SeenRequest): IssueX509SvidResponse {
    const now = this.now();
    const spiffeId = this.grant ?? this.#ids.get(presented) ?? "spiffe://example.test/cart";
    const issued =
      this.#issued.get(spkiSha256) ??
      createLeaf(this.authority, {
        spiffeId,
        key: createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" }),
        notBefore: now - 60_000,
        notAfter: now + this.ttlMs,
      });
    this.#issued.set(spkiSha256, issued);
    const { certificate } = issued;
    this.#ids.set(certificate.serialHex, spiffeId);
    return {
      certificateChain: [issued.der],
      spiffeId,
      notAfter: new Date(certificate.notAfter),
      renewAt: new Date(certificate.notBefore + 60_000 + this.renewAfterMs),
      serial: certificate.serialHex,
      logIndex: BigInt(this.#issued.size),
      trust: this.snapshot(),
      rule: "workloads",
      shortenedBy: "",
      lineage: "3d7e6f9a-3f1e-4f5b-9d53-5b8f5f3c8a10",
    };
  }
}

/** The hash by which a public key is pinned. */
export function pinOf(certificate: TestCertificate): string {
  return toHex(sha256(certificate.certificate.publicKey.spki));
}
