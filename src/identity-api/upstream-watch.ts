// Starts the watch over the revocation of this replica's own chains, and says in /readyz what it finds. What a revocation does is the
// authorities' matter.
import { type AuthorityManager, type PublishedAuthority, UpstreamWatch } from "../ca/index.ts";
import { createRevocationFetch } from "./revocation-fetch.ts";
import type { ServerBase } from "./server-base.ts";

/** Starts it, unless authority.revocationCheck.enabled is false; it closes with the rest. */
export function startUpstreamWatch(base: ServerBase, authorities: AuthorityManager): UpstreamWatch | undefined {
  const { config, readiness, lifecycle, clock, random, logger, telemetry } = base;
  const { enabled, intervalSeconds } = config.authority.revocationCheck;
  if (!enabled) {
    logger.warn(
      { event: "upstream_watch.disabled" },
      "authority.revocationCheck is off: an enterprise that revokes this server's intermediate does not stop it",
    );
    return undefined;
  }
  const watch = new UpstreamWatch({
    chains: () => watched(authorities),
    fetch: createRevocationFetch(),
    onRevoked: (revocation) => authorities.reportUpstreamRevocation(revocation),
    intervalSeconds,
    clock,
    random,
    logger,
    metrics: telemetry.metrics,
  });
  watch.start();
  lifecycle.add("revocation of the own chain", () => watch.close());
  readiness.addNotes(() =>
    watch.problems().map(({ certificate, serial, kind, url, sentence }) => {
      const address = url === "" ? "" : ` by ${url}`;
      return { about: `${kind === "crl" ? "CRL" : "OCSP"} for ${certificate} (serial ${serial})${address}`, sentence };
    }),
  );
  return watch;
}

/** The active one last: a successor that is revoked as well must not take over from it first. Nothing is left to learn of tainted ones. */
function watched(authorities: AuthorityManager): readonly PublishedAuthority[] {
  const own = authorities.published().filter(({ replica }) => replica === authorities.replica);
  return [
    ...own.filter(({ state }) => state === "prepared" || state === "retired"),
    ...own.filter(({ state }) => state === "active"),
  ];
}
