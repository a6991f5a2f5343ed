// Which certificate issued which: the structure of what somebody brought, before it is judged. It follows names and key
// identifiers and checks signatures where that is possible, so that faults can be named along the whole path. It accepts
// nothing. The work is bounded, because the files may come from anywhere.
import { bytesEqual, type Certificate, sameName, verifySignature, X509Error } from "../../x509/index.ts";

const MAX_DEPTH = 8;
const MAX_STEPS = 512;
const MAX_SIGNATURES = 128;
const MAX_PATHS = 32;

/** What a search found. Paths begin with the certificate that was asked about and are never empty. */
export interface PathSearch {
  /** Paths that end at an anchor. */
  readonly complete: readonly (readonly Certificate[])[];
  /** The longest path that ended without one. */
  readonly deepest: readonly Certificate[];
  /** A path that came back to a key that it had been at, the repeated certificate last. */
  readonly loop: readonly Certificate[] | undefined;
  /** There was more to look at than the bounds allow. */
  readonly exhausted: boolean;
}

/** Looks for paths from a certificate through others to anchors. Remembers signatures from one search to the next. */
export class PathFinder {
  readonly #signed = new Map<string, boolean>();
  #signatures = 0;

  search(from: Certificate, pool: readonly Certificate[], anchors: readonly Certificate[]): PathSearch {
    const complete: (readonly Certificate[])[] = [];
    let deepest: readonly Certificate[] = [from];
    let loop: readonly Certificate[] | undefined;
    let steps = 0;
    let exhausted = false;
    const extend = (path: readonly Certificate[]): void => {
      const child = path[path.length - 1];
      if (child === undefined) return;
      if (path.length > deepest.length) deepest = path;
      for (const candidate of distinct([...anchors, ...pool])) {
        if (++steps > MAX_STEPS || complete.length >= MAX_PATHS || path.length >= MAX_DEPTH) {
          exhausted = true;
          return;
        }
        if (bytesEqual(candidate.der, child.der) || !this.issued(candidate, child)) continue;
        if (anchors.some((anchor) => bytesEqual(anchor.der, candidate.der))) {
          complete.push([...path, candidate]);
        } else if (path.some((member) => bytesEqual(member.publicKey.spki, candidate.publicKey.spki))) {
          loop ??= [...path, candidate];
        } else {
          extend([...path, candidate]);
        }
      }
    };
    if (anchors.some((anchor) => bytesEqual(anchor.der, from.der))) complete.push([from]);
    else extend([from]);
    return { complete, deepest, loop, exhausted: exhausted || this.#signatures > MAX_SIGNATURES };
  }

  /** Whether `issuer` issued `child`, as far as can be told: a signature that nobody verifies any more (SHA-1) counts as one. */
  issued(issuer: Certificate, child: Certificate): boolean {
    if (!sameName(issuer.subject, child.issuer)) return false;
    const pair = `${issuer.sha256} ${child.sha256}`;
    let signed = this.#signed.get(pair);
    if (signed === undefined) {
      signed = ++this.#signatures <= MAX_SIGNATURES && isSignedBy(child, issuer);
      this.#signed.set(pair, signed);
    }
    return signed;
  }
}

function isSignedBy(child: Certificate, issuer: Certificate): boolean {
  const { signatureAlgorithm, authorityKeyId } = child;
  if (signatureAlgorithm.name === "other") {
    const named = authorityKeyId !== undefined && issuer.subjectKeyId !== undefined;
    return !named || bytesEqual(authorityKeyId, issuer.subjectKeyId);
  }
  try {
    verifySignature(issuer.publicKey, signatureAlgorithm, child.tbs, child.signature);
    return true;
  } catch (error) {
    if (!(error instanceof X509Error)) throw error;
    return false;
  }
}

/** Each certificate once. */
export function distinct(certificates: readonly Certificate[]): Certificate[] {
  return [...new Map(certificates.map((certificate) => [certificate.sha256, certificate])).values()];
}

/** Whether a certificate names itself as its issuer. */
export function isSelfIssued(certificate: Certificate): boolean {
  return sameName(certificate.issuer, certificate.subject);
}
