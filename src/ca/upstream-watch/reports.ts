// Tells each revocation of a chain once: by authority, certificate, and whether it is only on hold. What could not be acted on is told
// again at the next look, and so is a certificate that comes on hold anew.
import type { Logger } from "../../runtime/index.ts";
import type { Feed } from "./feed.ts";
import type { SourceKind, UpstreamRevocation, WatchedChain } from "./types.ts";

export class RevocationReports {
  readonly #onRevoked: (revocation: UpstreamRevocation) => Promise<void>;
  readonly #logger: Logger;
  readonly #told = new Set<string>();
  readonly #failing = new Set<string>();

  constructor(onRevoked: (revocation: UpstreamRevocation) => Promise<void>, logger: Logger) {
    this.#onRevoked = onRevoked;
    this.#logger = logger;
  }

  /** Tells what was not told yet. Never rejects. */
  async tell(chains: readonly WatchedChain[], feeds: readonly Feed[]): Promise<void> {
    for (const { key, revocation } of revocations(chains, feeds)) {
      if (this.#told.has(key)) continue;
      // Before the call, so that nobody else tells it meanwhile.
      this.#told.add(key);
      try {
        await this.#onRevoked(revocation);
        this.#failing.delete(key);
      } catch (error) {
        this.#told.delete(key);
        // It is tried every few seconds; one line is enough.
        if (this.#failing.has(key)) continue;
        this.#failing.add(key);
        const { spkiSha256, source } = revocation;
        this.#logger.error(
          { event: "upstream_watch.report_failed", authority: spkiSha256, source, error, alarm: true },
          "the revocation of a certificate of the own chain could not be acted on; it is tried again",
        );
      }
    }
  }

  /** Forgets what is revoked no longer: a hold that was lifted, a chain that is gone. */
  forgetOthers(chains: readonly WatchedChain[], feeds: readonly Feed[]): void {
    const still = new Set(revocations(chains, feeds).map(({ key }) => key));
    for (const known of [this.#told, this.#failing]) {
      for (const key of known) if (!still.has(key)) known.delete(key);
    }
  }
}

function revocations(
  chains: readonly WatchedChain[],
  feeds: readonly Feed[],
): readonly { readonly key: string; readonly revocation: UpstreamRevocation }[] {
  return chains.flatMap(({ spkiSha256, certificate, intermediates }) =>
    [certificate, ...intermediates].flatMap((each) => {
      const found = revocationOf(each.sha256, feeds);
      if (found === undefined) return [];
      const { revokedAt, reason, source } = found;
      const key = `${spkiSha256} ${each.sha256} ${reason === "certificateHold" ? "hold" : "final"}`;
      return [{ key, revocation: { spkiSha256, certificate: each, source, revokedAt, reason } }];
    }),
  );
}

/** A final revocation before a hold. */
function revocationOf(
  sha256: string,
  feeds: readonly Feed[],
): { readonly revokedAt: number; readonly reason: string; readonly source: string } | undefined {
  const found = feeds.flatMap(({ kind, url, subjects }) =>
    subjects.flatMap(({ certificate, state, revocation }) =>
      state === "revoked" && revocation !== undefined && certificate.sha256 === sha256
        ? [{ ...revocation, source: `${nameOf(kind)} ${url}` }]
        : [],
    ),
  );
  return found.find(({ reason }) => reason !== "certificateHold") ?? found[0];
}

/** For people. */
export function nameOf(kind: SourceKind): string {
  return kind === "crl" ? "CRL" : "OCSP";
}
