// An identity from PEM files that something else keeps fresh (`mesh-ca svid fetch`, a Kubernetes secret). Trust and certificate are taken
// up apart: a revocation counts although the certificate beside it is broken, and a certificate counts only if the trust beside it
// verifies it. Nothing valid is dropped for something that is not.
import type { SchedulingClock } from "../../identity-client/index.ts";
import type { Logger } from "../../runtime/index.ts";
import {
  encodeTrustFile,
  parseTrustFile,
  parseX509Svid,
  SpiffeError,
  type TrustSet,
  X509SvidVerifier,
} from "../../spiffe/index.ts";
import { type CertificatePair, parseCertificatePair } from "../../tls/index.ts";
import type { AdminFinding, AdminReload } from "../admin/view.ts";
import { ProxyError } from "../errors.ts";
import { WatchedFiles } from "../reload/watched-files.ts";
import { ExpiryWatch } from "./expiry-watch.ts";
import type { IdentityProvider, OwnIdentity, ProvidedIdentity } from "./provider.ts";
import { anchorsOnly, parseAnchors } from "./trust-files.ts";

export interface FileIdentityOptions {
  readonly certificateFile: string;
  readonly keyFile: string;
  /** Exactly one of the two. */
  readonly trustFile: string | null;
  readonly bundleFile: string | null;
  readonly clock: SchedulingClock;
  readonly logger: Logger;
  /** Default 1,000. */
  readonly lookMs?: number;
  /** Default 200. */
  readonly settleMs?: number;
}

export class FileIdentity implements IdentityProvider {
  readonly #options: FileIdentityOptions;
  readonly #files: WatchedFiles;
  readonly #expiry: ExpiryWatch;
  readonly #listeners = new Set<() => void>();
  #own: OwnIdentity | undefined;
  #trust: TrustSet | undefined;

  constructor(options: FileIdentityOptions) {
    const { certificateFile, keyFile, trustFile, bundleFile, clock, logger, lookMs, settleMs } = options;
    this.#options = options;
    this.#expiry = new ExpiryWatch(clock, () => this.#expired());
    this.#files = new WatchedFiles({
      source: "identity",
      files: [{ path: certificateFile }, { path: keyFile, secret: true }, { path: trustFile ?? bundleFile ?? "" }],
      load: ([certificate = "", key = "", trust = ""]) => this.#load(certificate, key, trust),
      // Too early for a certificate now is not too early later.
      retry: true,
      logger,
      ...(lookMs === undefined ? {} : { lookMs }),
      ...(settleMs === undefined ? {} : { settleMs }),
    });
  }

  current(): ProvidedIdentity {
    const own = this.#own;
    const valid = own !== undefined && this.#options.clock.now() <= own.tls.notAfter;
    return { own: valid ? own : undefined, trust: this.#trust };
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#files.watch();
    await this.#files.look();
    if (this.#own !== undefined) return;
    await new Promise<void>((resolve, reject) => {
      const stop = this.onChange(() => {
        if (this.#own === undefined) return;
        stop();
        signal.removeEventListener("abort", aborted);
        resolve();
      });
      const aborted = (): void => {
        stop();
        reject(signal.reason);
      };
      signal.addEventListener("abort", aborted, { once: true });
      if (signal.aborted) aborted();
    });
  }

  problems(): readonly AdminFinding[] {
    if (this.current().own !== undefined) return [];
    const { problem } = this.#files.reload;
    if (problem !== undefined) return [problem];
    const { certificateFile } = this.#options;
    return [
      {
        code: "MCA_TLS_IDENTITY_MISSING",
        sentence:
          this.#own === undefined
            ? `${certificateFile} has not been read yet.`
            : `The certificate in ${certificateFile} has expired. Whoever writes it must write a new one.`,
      },
    ];
  }

  reload(): AdminReload {
    return this.#files.reload;
  }

  look(): Promise<void> {
    return this.#files.look();
  }

  async close(): Promise<void> {
    this.#expiry.watch(undefined);
    this.#files.close();
  }

  #load(certificateText: string, keyText: string, trustText: string): void {
    const failures: unknown[] = [];
    const pair = attempt(failures, () => this.#readPair(certificateText, keyText));
    const trustChanged = attempt(failures, () => this.#adoptTrust(trustText, pair)) ?? false;
    const ownChanged = pair !== undefined && (attempt(failures, () => this.#adopt(pair)) ?? false);
    // Also where something was refused: a revocation waits for nobody.
    if (trustChanged || ownChanged) for (const listener of [...this.#listeners]) listener();
    if (failures.length > 0) throw failures[0];
  }

  #readPair(certificateText: string, keyText: string): CertificatePair {
    const { certificateFile, keyFile, clock } = this.#options;
    const pair = parseCertificatePair({ certificateFile, certificateText, keyFile, keyText }, clock.now());
    parseX509Svid(pair.leaf);
    return pair;
  }

  #adoptTrust(text: string, pair: CertificatePair | undefined): boolean {
    const { trustFile, bundleFile } = this.#options;
    const before = this.#trust;
    let trust: TrustSet;
    if (trustFile !== null) trust = parseTrustFile(text);
    else {
      // PEM does not say whose anchors they are: they are those of the certificate beside them.
      const own = before?.trustDomain ?? (pair === undefined ? undefined : parseX509Svid(pair.leaf).id.trustDomain);
      if (own === undefined) return false;
      trust = anchorsOnly(own, parseAnchors(text, bundleFile ?? ""));
    }
    if (before !== undefined && encodeTrustFile(before) === encodeTrustFile(trust)) return false;
    if (before !== undefined && !before.trustDomain.equals(trust.trustDomain)) throw anotherTrustDomain(before, trust);
    this.#trust = trust;
    return true;
  }

  /** Judged by the newest good trust: one that cannot be read must not keep a fresh certificate away. */
  #adopt({ identity, chain, leaf }: CertificatePair): boolean {
    const { clock, logger } = this.#options;
    const trust = this.#trust;
    if (trust === undefined) return false;
    let id: string;
    try {
      id = new X509SvidVerifier(trust).verify(chain, clock.now()).id.toString();
    } catch (cause) {
      throw notTrusted(this.#options.certificateFile, cause);
    }
    const before = this.#own;
    if (
      before?.tls.certificateChainPem === identity.certificateChainPem &&
      before.tls.privateKeyPem === identity.privateKeyPem
    ) {
      return false;
    }
    if (before !== undefined && before.id !== id) {
      logger.warn({ event: "identity.renamed", before: before.id, id }, "The files hold another identity than before.");
    }
    this.#own = { id, tls: identity };
    this.#expiry.watch(identity.notAfter);
    const notAfter = new Date(identity.notAfter).toISOString();
    logger.info({ event: "identity.loaded", id, serial: leaf.serialHex, notAfter }, "A fresh identity is in use.");
    return true;
  }

  #expired(): void {
    this.#options.logger.error(
      { event: "identity.expired", id: this.#own?.id },
      "The certificate has expired and no other one was written: nothing is served.",
    );
    for (const listener of [...this.#listeners]) listener();
  }
}

/** Runs one step of several that are independent of each other. */
function attempt<T>(failures: unknown[], step: () => T): T | undefined {
  try {
    return step();
  } catch (error) {
    failures.push(error);
    return undefined;
  }
}

function notTrusted(path: string, cause: unknown): ProxyError {
  const reason = cause instanceof SpiffeError ? ` ${cause.message}` : "";
  return new ProxyError(
    "MCA_PROXY_IDENTITY_FILES",
    `The certificate in ${path} is not one that the trust beside it verifies, so that no peer would accept it.${reason}`,
    { cause },
  );
}

function anotherTrustDomain(before: TrustSet, after: TrustSet): ProxyError {
  return new ProxyError(
    "MCA_PROXY_IDENTITY_FILES",
    `The files are of the trust domain ${after.trustDomain} now, and were of ${before.trustDomain}. Start the proxy anew if that is meant.`,
  );
}
