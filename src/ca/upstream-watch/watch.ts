// Watches the CRLs and OCSP responders that the certificates of our own chains name (RFC 5280 section 5, RFC 6960): an enterprise that
// revokes our intermediate stops issuance (spec/enterprise-pki.md). Only a revocation that verifies does anything. Whatever else an
// address says or fails to say, issuance goes on, and the state of the address is told: status, readiness, metric, one log line.
//
// The network is hostile (CRLs travel by plain http). Whoever controls it can keep news from us, for as long as the enterprise's
// nextUpdate at most unnoticed; he can invent nothing and undo nothing.
import { type Clock, type Logger, type Metrics, type RandomSource, silentMetrics } from "../../runtime/index.ts";
import { nameToString } from "../../x509/index.ts";
import { Feed, type FeedDependencies, type Subject } from "./feed.ts";
import { nameOf, RevocationReports } from "./reports.ts";
import { type Source, sourcesOf } from "./sources.ts";
import type {
  RevocationFetch,
  SourceKind,
  SourceState,
  SourceStatus,
  UpstreamRevocation,
  WatchedChain,
} from "./types.ts";

export interface UpstreamWatchOptions {
  /** The own authorities that count: prepared, retired and active ones; told of in this order. Asked at each look. */
  readonly chains: () => readonly WatchedChain[];
  readonly fetch: RevocationFetch;
  /** Told once for each fact, and again after a restart; told again later where it rejects. */
  readonly onRevoked: (revocation: UpstreamRevocation) => Promise<void>;
  /** How often each address is asked, seconds. */
  readonly intervalSeconds: number;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  readonly metrics?: Metrics;
}

const STATES: readonly SourceState[] = ["unchecked", "good", "revoked", "stale", "unreachable", "unusable", "refused"];
/** A CRL may take 64 MiB of memory while it is looked at. */
const CRLS_AT_ONCE = 2;
const RESPONDERS_AT_ONCE = 4;
/** New chains are found at the next look. */
const MAX_LOOK_MS = 5_000;

/** Asks, remembers, tells. A source that fails never stops issuance; a verified revocation does. */
export class UpstreamWatch {
  readonly #options: UpstreamWatchOptions;
  readonly #abort = new AbortController();
  readonly #feeds = new Map<string, Feed>();
  readonly #dependencies: FeedDependencies;
  readonly #reports: RevocationReports;
  #unasked: readonly SourceStatus[] = [];
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: UpstreamWatchOptions) {
    this.#options = options;
    const { fetch, onRevoked, clock, random, intervalSeconds, logger, metrics = silentMetrics } = options;
    this.#reports = new RevocationReports(onRevoked, logger);
    this.#dependencies = {
      fetch,
      clock,
      random,
      intervalSeconds,
      signal: this.#abort.signal,
      changed: (feed, subject) => this.#tell(feed, subject),
    };
    metrics.gauge(
      "mesh_ca_upstream_revocation_check",
      {
        description:
          "CRL and OCSP addresses of the own authorities' certificates, by what is known from them; /readyz tells more",
      },
      () => {
        const states = this.status().map(({ state }) => state);
        return STATES.map((state) => ({
          value: states.filter((each) => each === state).length,
          attributes: { state },
        }));
      },
    );
  }

  /** Looks now, and then as often as something may be due. */
  start(): void {
    const waitMs = Math.min(MAX_LOOK_MS, (this.#options.intervalSeconds * 1000) / 10);
    const look = (): void => {
      void this.tick().finally(() => {
        if (this.#abort.signal.aborted) return;
        this.#timer = setTimeout(look, waitMs);
        this.#timer.unref();
      });
    };
    look();
  }

  /** Asks whatever is due, and tells what is revoked. Never rejects; a second call waits for the first. */
  tick(): Promise<void> {
    this.#running ??= this.#look()
      .catch((error: unknown) => {
        if (this.#abort.signal.aborted) return;
        this.#options.logger.error(
          { event: "upstream_watch.failed", error, alarm: true },
          "the revocation of the own chain could not be looked at this time",
        );
      })
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }

  /** What each address says, for readiness, doctor and people. */
  status(): readonly SourceStatus[] {
    return [
      ...[...this.#feeds.values()].flatMap(({ kind, url, subjects }) =>
        subjects.map(({ certificate, state, since, sentence }) => {
          const subject = nameToString(certificate.subject);
          return { certificate: subject, serial: certificate.serialHex, url, kind, state, since, sentence };
        }),
      ),
      ...this.#unasked,
    ];
  }

  /** What somebody should look at; an address that is never asked only where no other one answers for its certificate. */
  problems(): readonly SourceStatus[] {
    const all = this.status();
    const answered = new Set(all.filter(({ state }) => state === "good" || state === "revoked").map(certificateKey));
    return all.filter((one) => {
      if (one.state === "good" || one.state === "unchecked") return false;
      return one.state !== "refused" || !answered.has(certificateKey(one));
    });
  }

  /** Ends every exchange under way. */
  async close(): Promise<void> {
    this.#abort.abort();
    clearTimeout(this.#timer);
    await this.#running;
  }

  async #look(): Promise<void> {
    const chains = this.#options.chains();
    this.#follow(chains.flatMap(sourcesOf));
    const now = this.#options.clock.now();
    const due = [...this.#feeds.values()].filter((feed) => feed.isDue(now));
    const ofKind = (kind: SourceKind): Feed[] => due.filter((feed) => feed.kind === kind);
    const ask = async (feed: Feed): Promise<void> => {
      try {
        await feed.ask();
      } catch (error) {
        this.#options.logger.error(
          { event: "upstream_watch.ask_failed", kind: feed.kind, url: feed.url, error, alarm: true },
          "an address could not be asked about the revocation of the own chain",
        );
      }
      // At once: the next address may take its time.
      if (feed.subjects.some(({ state }) => state === "revoked")) await this.#reports.tell(chains, [feed]);
    };
    await Promise.all([eachOf(ofKind("crl"), CRLS_AT_ONCE, ask), eachOf(ofKind("ocsp"), RESPONDERS_AT_ONCE, ask)]);
    // Also what could not be told before.
    const feeds = [...this.#feeds.values()];
    await this.#reports.tell(chains, feeds);
    this.#reports.forgetOthers(chains, feeds);
  }

  /** Makes the feeds be those that the chains name. */
  #follow(sources: readonly Source[]): void {
    const groups = Map.groupBy(
      sources.filter((source) => source.asked),
      ({ kind, url, issuer, certificate }) => `${kind} ${kind === "crl" ? issuer.sha256 : certificate.sha256} ${url}`,
    );
    for (const key of this.#feeds.keys()) if (!groups.has(key)) this.#feeds.delete(key);
    for (const [key, group] of groups) {
      const [first] = group;
      if (first === undefined) continue;
      let feed = this.#feeds.get(key);
      if (feed === undefined) {
        feed = new Feed(first, this.#dependencies);
        this.#feeds.set(key, feed);
      }
      feed.follow(group);
    }
    this.#unasked = this.#describeUnasked(sources);
  }

  #describeUnasked(sources: readonly Source[]): readonly SourceStatus[] {
    const found = new Map<string, SourceStatus>();
    for (const source of sources) {
      if (source.asked) continue;
      const { certificate, url, kind, sentence } = source;
      const { serialHex: serial } = certificate;
      const before = this.#unasked.find((one) => one.kind === kind && one.serial === serial && one.url === url);
      const since = before?.since ?? this.#options.clock.now();
      const subject = nameToString(certificate.subject);
      const status: SourceStatus = { certificate: subject, serial, url, kind, state: "refused", since, sentence };
      found.set(`${kind} ${serial} ${url}`, status);
    }
    return [...found.values()];
  }

  #tell(feed: Feed, { certificate, state, sentence }: Subject): void {
    const { logger } = this.#options;
    const fields = {
      event: "upstream_watch.source_changed",
      kind: feed.kind,
      url: feed.url,
      certificate: nameToString(certificate.subject),
      serial: certificate.serialHex,
      state,
    };
    const told = `${nameOf(feed.kind)} of the own chain: ${sentence}`;
    if (state === "good") logger.info(fields, told);
    else if (state === "revoked") logger.error({ ...fields, alarm: true }, told);
    else logger.warn({ ...fields, alarm: true }, told);
  }
}

/** Runs over a list with so many at once. */
async function eachOf<T>(list: readonly T[], atOnce: number, run: (one: T) => Promise<void>): Promise<void> {
  const left = list.values();
  const worker = async (): Promise<void> => {
    for (const one of left) await run(one);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

function certificateKey({ certificate, serial }: SourceStatus): string {
  return `${serial} ${certificate}`;
}
