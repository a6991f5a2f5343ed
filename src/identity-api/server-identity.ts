// The server's own SVID, spiffe://<td>/mesh-ca/server: issued by itself, recorded like any other, renewed before it ends.
// The key never leaves this process's memory; a restart makes a new one. While there is no valid SVID the TLS port is closed.
import { generateKeyPair, type KeyObject } from "node:crypto";
import { promisify } from "node:util";
import type { IssuedX509Svid, ServerSvidRequest } from "../ca/index.ts";
import type { Clock, Logger } from "../runtime/index.ts";
import type { IdentitySource, TlsIdentity } from "../tls/index.ts";
import { type Certificate, createCsr, encodePem, parseCertificate } from "../x509/index.ts";
import { type Reason, reasonFor } from "./readiness.ts";

const newKeyPair = promisify(generateKeyPair);

export interface ServerIdentityOptions {
  readonly issuer: { issueServerSvid(request: ServerSvidRequest): Promise<IssuedX509Svid> };
  readonly dnsNames: readonly string[];
  /** Whether the authority that signed this certificate is still one whose holders may keep it. */
  isWellIssued(leaf: Certificate): boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** How often is looked whether something is due. A wall clock that jumps is noticed within this time. */
const LOOK_MS = 500;
const FIRST_RETRY_MS = 500;
const MAX_RETRY_MS = 30_000;

export class ServerIdentity implements IdentitySource {
  readonly #options: ServerIdentityOptions;
  readonly #listeners = new Set<() => void>();
  #current: TlsIdentity | undefined;
  #leaf: Certificate | undefined;
  #renewAt = 0;
  #retryMs = FIRST_RETRY_MS;
  #retryAt = 0;
  #problem: Reason | undefined;
  #timer: NodeJS.Timeout | undefined;
  #working: Promise<void> | undefined;
  #expiryTold = false;

  constructor(options: ServerIdentityOptions) {
    this.#options = options;
  }

  /** Asks for the first SVID; resolves when it is there or was refused (then it is asked for again in the background). */
  async start(): Promise<void> {
    await this.#renew();
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#timer.unref();
  }

  /** The SVID to show; undefined while there is none or it has expired. */
  current(): TlsIdentity | undefined {
    return this.#current !== undefined && this.#options.clock.now() < this.#current.notAfter
      ? this.#current
      : undefined;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Why there is no valid SVID; undefined if there is one. */
  problem(): Reason | undefined {
    if (this.current() !== undefined) return undefined;
    return (
      this.#problem ?? {
        code: "MCA_TLS_IDENTITY_MISSING",
        sentence: "The server has no SVID of its own yet; it is being issued.",
      }
    );
  }

  /** Trust has changed: what is due now is done now, also what failed a moment ago. */
  lookNow(): void {
    this.#retryMs = FIRST_RETRY_MS;
    this.#retryAt = 0;
    if (this.#timer !== undefined) this.#look();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#listeners.clear();
    await this.#working;
  }

  #look(): void {
    const now = this.#options.clock.now();
    if (this.#current !== undefined && now >= this.#current.notAfter && !this.#expiryTold) {
      this.#expiryTold = true;
      this.#tell();
    }
    const due = now >= this.#renewAt || this.#leaf === undefined || !this.#options.isWellIssued(this.#leaf);
    if (due && performance.now() >= this.#retryAt) void this.#renew();
  }

  #renew(): Promise<void> {
    this.#working ??= this.#issue().finally(() => {
      this.#working = undefined;
    });
    return this.#working;
  }

  async #issue(): Promise<void> {
    const { issuer, dnsNames, logger } = this.#options;
    try {
      const { privateKey } = await newKeyPair("ec", { namedCurve: "P-256" });
      const issued = await issuer.issueServerSvid({ csrDer: createCsr({ key: privateKey }), dnsNames });
      this.#current = identityOf(issued, privateKey);
      this.#leaf = issued.chain[0] === undefined ? undefined : parseCertificate(issued.chain[0]);
      this.#renewAt = issued.renewAt;
      // One that is due again at once must not become a storm.
      if (this.#leaf !== undefined && this.#options.isWellIssued(this.#leaf)) this.#retryMs = FIRST_RETRY_MS;
      else this.#waitLonger();
      this.#problem = undefined;
      this.#expiryTold = false;
      logger.info(
        { event: "server.svid", serial: issued.serial, logIndex: String(issued.logIndex), notAfter: issued.notAfter },
        "the server has a new SVID of its own",
      );
      this.#tell();
    } catch (error) {
      this.#problem = reasonFor(error);
      this.#waitLonger();
      logger.warn({ event: "server.svid_failed", retryMs: this.#retryMs, error }, "the server got no SVID of its own");
    }
  }

  #waitLonger(): void {
    this.#retryAt = performance.now() + this.#retryMs;
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_RETRY_MS);
  }

  #tell(): void {
    for (const listener of this.#listeners) listener();
  }
}

function identityOf(issued: IssuedX509Svid, key: KeyObject): TlsIdentity {
  return {
    certificateChainPem: issued.chain.map((der) => encodePem("CERTIFICATE", der)).join(""),
    privateKeyPem: key.export({ type: "pkcs8", format: "pem" }).toString(),
    notAfter: issued.notAfter,
  };
}
