// A chain below an enterprise root whose certificates name a CRL and a responder, a clock that stands still, and a web in memory.

import type { RevocationAnswer, RevocationRequest, UpstreamRevocation, WatchedChain } from "../../../src/ca/index.ts";
import { UpstreamWatch, type UpstreamWatchOptions } from "../../../src/ca/index.ts";
import { type LogFields, type Metrics, systemRandom } from "../../../src/runtime/index.ts";
import { createIntermediate, createRoot, type TestCertificate } from "../../support/pki.ts";
import { crlDistributionPointsExtension, ocspAccessExtension } from "../../support/revocation.ts";
import { recordingLogger } from "../../support/test-log.ts";

export const ROOT_CRL = "http://pki.test/root.crl";
export const ISSUING_CRL = "http://pki.test/issuing.crl";
export const RESPONDER = "http://ocsp.test/";
export const INTERVAL_SECONDS = 300;

/** root -> issuing (CRL of the root) -> authority (CRL and OCSP of the issuing CA). */
export class TestChain {
  readonly root: TestCertificate;
  readonly issuing: TestCertificate;
  readonly authority: TestCertificate;

  constructor(options: { readonly beside?: TestChain; readonly extensions?: readonly Uint8Array[] } = {}) {
    this.root = options.beside?.root ?? createRoot();
    this.issuing =
      options.beside?.issuing ??
      createIntermediate(this.root, { extraExtensions: [crlDistributionPointsExtension(ROOT_CRL)] });
    const extraExtensions = options.extensions ?? [
      crlDistributionPointsExtension(ISSUING_CRL),
      ocspAccessExtension(RESPONDER),
    ];
    this.authority = createIntermediate(this.issuing, { pathLength: 0, extraExtensions });
  }

  get watched(): WatchedChain {
    return {
      spkiSha256: this.authority.certificate.publicKey.spkiSha256,
      certificate: this.authority.certificate,
      intermediates: [this.issuing.certificate],
      anchor: this.root.certificate,
    };
  }
}

type Handler = (request: RevocationRequest) => RevocationAnswer | Promise<RevocationAnswer>;

/** Bytes as an answer. */
export const answer = (bytes: Uint8Array, validator?: string): RevocationAnswer => ({
  kind: "answer",
  bytes,
  validator,
});
export const unreachable: RevocationAnswer = { kind: "failed", why: "cannot be reached (ECONNREFUSED)" };

/** A watch with everything around it visible. */
export class TestWatch {
  now = Date.now();
  readonly web = new Map<string, Handler>();
  readonly asked: { readonly url: string; readonly request: RevocationRequest }[] = [];
  readonly told: UpstreamRevocation[] = [];
  readonly log: (LogFields & { readonly level: string; readonly message: string })[] = [];
  chains: readonly { readonly watched: WatchedChain }[];
  gauge: (() => readonly { value: number; attributes?: Readonly<Record<string, string>> }[]) | undefined;
  watch: UpstreamWatch;
  readonly #changes: Partial<UpstreamWatchOptions>;

  constructor(chains: readonly { readonly watched: WatchedChain }[], changes: Partial<UpstreamWatchOptions> = {}) {
    this.chains = chains;
    this.#changes = changes;
    this.watch = this.#make();
  }

  /** The same world, with a watch that remembers nothing. */
  restart(): void {
    this.watch = this.#make();
  }

  /** Serves what it is given when it is asked. */
  serve(url: string, handler: Handler | RevocationAnswer): void {
    this.web.set(url, typeof handler === "function" ? handler : () => handler);
  }

  /** Lets time pass and looks. */
  async after(seconds: number): Promise<void> {
    this.now += seconds * 1000;
    await this.watch.tick();
  }

  /** States by address. */
  get states(): Record<string, string> {
    return Object.fromEntries(this.watch.status().map(({ url, state }) => [url, state]));
  }

  sentenceOf(url: string): string {
    return this.watch.status().find((one) => one.url === url)?.sentence ?? "";
  }

  askedOf(url: string): number {
    return this.asked.filter((one) => one.url === url).length;
  }

  alarms(): readonly string[] {
    return this.log.filter(({ alarm }) => alarm === true).map(({ message }) => message);
  }

  #make(): UpstreamWatch {
    const logger = recordingLogger((level, fields, message) => this.log.push({ level, message, ...fields }));
    const metrics: Metrics = {
      counter: () => ({ bind: () => ({ add() {} }) }),
      histogram: () => ({ bind: () => ({ record() {} }) }),
      gauge: (_name, _options, read) => {
        this.gauge = read;
      },
    };
    return new UpstreamWatch({
      chains: () => this.chains.map(({ watched }) => watched),
      fetch: async (url, request) => {
        this.asked.push({ url, request });
        return (await this.web.get(url)?.(request)) ?? unreachable;
      },
      onRevoked: async (revocation) => void this.told.push(revocation),
      intervalSeconds: INTERVAL_SECONDS,
      clock: { now: () => this.now },
      random: systemRandom,
      logger,
      metrics,
      ...this.#changes,
    });
  }
}
