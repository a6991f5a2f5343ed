// Which trust a source begins with: what it kept, or the file that the operator gave it. Of one and the same authority's trust the newer
// one counts. Where they have no authority in common, either this workload was away for two rotations or the CA was set up anew, and the
// younger authorities count; a file that lies there from before must not bring back what was revoked since. Distrust stays in any case.
import type { TrustSet } from "../spiffe/index.ts";
import { IdentityClientError } from "./errors.ts";
import { isOlder, withKnownDistrust, youngest } from "./trust-order.ts";

/**
 * Chooses between the trust of the state directory and that of the trust file.
 * @param now Unix milliseconds
 * @throws IdentityClientError MCA_CLIENT_OPTIONS if they are of two trust domains
 */
export function chooseTrust(kept: TrustSet | undefined, file: TrustSet | undefined, now: number): TrustSet | undefined {
  if (kept === undefined || file === undefined) return kept ?? file;
  if (!kept.trustDomain.equals(file.trustDomain)) {
    throw new IdentityClientError(
      "MCA_CLIENT_OPTIONS",
      `The state directory belongs to the trust domain ${kept.trustDomain.name}, the trust file to ${file.trustDomain.name}. Choose another state directory.`,
    );
  }
  return fileCounts(kept, file, now) ? withKnownDistrust(file, kept) : kept;
}

function fileCounts(kept: TrustSet, file: TrustSet, now: number): boolean {
  if (related(kept, file)) return !isOlder(file, kept) && isOlder(kept, file);
  const alive = (file.authorities ?? file.anchors).some(
    ({ notAfter, publicKey }) => notAfter > now && !kept.distrustedSpkis.has(publicKey.spkiSha256),
  );
  return alive && youngest(file) > youngest(kept);
}

/** Whether the two have an authority in common; an anchor, where only anchors are known of one. */
function related(a: TrustSet, b: TrustSet): boolean {
  const known = a.authorities !== undefined && b.authorities !== undefined;
  const keysOf = ({ authorities, anchors }: TrustSet): string[] =>
    [...(authorities ?? []), ...(known ? [] : anchors)].map(({ publicKey }) => publicKey.spkiSha256);
  const keys = new Set(keysOf(a));
  return keysOf(b).some((key) => keys.has(key));
}
