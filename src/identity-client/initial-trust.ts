// Which trust a source begins with: what it kept, or the file that the operator gave it. The kept one is newer in normal life; the
// file wins where the kept one cannot descend from it, because then the operator means another authority (a CA set up anew).
import type { TrustSet } from "../spiffe/index.ts";
import { IdentityClientError } from "./errors.ts";

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
  if (file.sequence > kept.sequence) return file;
  if (related(kept, file)) return kept;
  const alive = [...file.anchors, ...(file.authorities ?? [])].some(({ notAfter }) => notAfter > now);
  return alive ? file : kept;
}

/** Whether the two have an authority or an anchor in common. */
function related(a: TrustSet, b: TrustSet): boolean {
  const keys = new Set(keysOf(a));
  return keysOf(b).some((key) => keys.has(key));
}

function keysOf(trust: TrustSet): string[] {
  return [...trust.anchors, ...(trust.authorities ?? [])].map(({ publicKey }) => publicKey.spkiSha256);
}
