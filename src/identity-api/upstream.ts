// The upstream that the configuration names, opened; and what becomes of the disk upstream's files while the server runs.
import {
  DiskUpstream,
  type DnsGrant,
  offlineUpstream,
  type ProbeVerifier,
  selfSignedUpstream,
  type Upstream,
} from "../ca/index.ts";
import { ConfigError } from "../runtime/config/index.ts";
import { type Clock, type Lifecycle, type Logger, type Metrics, systemClock } from "../runtime/index.ts";
import type { TrustDomain } from "../spiffe/index.ts";
import { tryWithOpenSsl } from "../tls/index.ts";
import type { Config } from "./config/index.ts";
import type { Readiness } from "./readiness.ts";

/** How often the files of the issuing CA are looked at. */
const LOOK_MS = 5_000;

export interface UpstreamDependencies {
  readonly trustDomain: TrustDomain;
  /** DNS names that this server's certificates may carry: name constraints must permit them. */
  dnsGrants(): readonly DnsGrant[];
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Files that cannot be used are no error here: they are told, and no authority is made until they are mended. */
export async function openUpstream(config: Config, dependencies: UpstreamDependencies): Promise<Upstream> {
  const { upstream, disk } = config.authority;
  switch (upstream) {
    case "self-signed":
      return selfSignedUpstream;
    case "offline":
      return offlineUpstream();
    case "disk": {
      const { certificateFile, keyFile, passphraseFile } = disk;
      if (certificateFile === null || keyFile === null) {
        throw new ConfigError("MCA_CONFIG_INVALID", "authority.upstream: disk needs its files (authority.disk).");
      }
      return await DiskUpstream.open({
        ...dependencies,
        certificateFile,
        keyFile,
        passphraseFile: passphraseFile ?? undefined,
      });
    }
  }
}

/** How new authorities are tried before they are used. OpenSSL judges by this machine's clock: it cannot try what is of another time. */
export function probing(clock: Clock): { readonly probeVerifier?: ProbeVerifier } {
  return clock === systemClock ? { probeVerifier: tryWithOpenSsl } : {};
}

/** Looks after the files of a disk upstream until the end: what is wrong with them is told, and issuance goes on. */
export function watchUpstream(
  upstream: Upstream,
  parts: { readonly readiness: Readiness; readonly metrics: Metrics; readonly lifecycle: Lifecycle },
): void {
  if (!(upstream instanceof DiskUpstream)) return;
  const timer = setInterval(() => void upstream.refresh(), LOOK_MS);
  timer.unref();
  parts.lifecycle.add("upstream", () => clearInterval(timer));
  parts.readiness.addNotes(() => {
    const health = upstream.health();
    return health.kind === "good" ? [] : [{ about: "upstream disk", sentence: health.sentence }];
  });
  parts.metrics.gauge(
    "mesh_ca_upstream_problem",
    { description: "1 while the issuing CA on disk cannot be used as its files are now; /readyz tells why." },
    () => [{ value: upstream.health().kind === "good" ? 0 : 1 }],
  );
}
