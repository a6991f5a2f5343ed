// The verdict about a presented X509-SVID (X509-SVID, section 5; rules ). It returns the verified
// value or throws; it reads no clock and caches no verdict, only signatures already checked. One verifier knows one trust
// domain: a certificate of another one is refused here, never looked up elsewhere. New trust is a new verifier.
import {
  type Certificate,
  createPathCache,
  type PathCache,
  PathError,
  validatePath,
  X509Error,
} from "../x509/index.ts";
import { SpiffeError } from "./errors.ts";
import { idRole, probeId, serverId } from "./reserved.ts";
import { RevocationIndex } from "./revocation-index.ts";
import type { SpiffeId } from "./spiffe-id.ts";
import type { TrustSet } from "./trust-set.ts";
import { parseX509Svid } from "./x509-svid.ts";

/** The longest chain that is looked at. */
const MAX_CERTIFICATES = 8;

/** An X509-SVID whose chain was verified. Only X509SvidVerifier makes one. */
export class VerifiedX509Svid {
  readonly id: SpiffeId;
  readonly leaf: Certificate;
  /** The certificate whose key signed the leaf: a published authority, where they are known. */
  readonly issuer: Certificate;
  /** Leaf ... anchor. */
  readonly path: readonly Certificate[];
  readonly #verified = true;

  constructor(id: SpiffeId, leaf: Certificate, issuer: Certificate, path: readonly Certificate[]) {
    this.id = id;
    this.leaf = leaf;
    this.issuer = issuer;
    this.path = path;
  }

  /** Whether a value came out of a verifier. */
  static is(value: unknown): value is VerifiedX509Svid {
    return typeof value === "object" && value !== null && #verified in value;
  }
}

/** Verifies X509-SVIDs of one trust domain. Made anew whenever trust changes. */
export class X509SvidVerifier {
  readonly trust: TrustSet;
  readonly #revocations: RevocationIndex;
  readonly #cache: PathCache = createPathCache();
  /** Published authorities by subject; undefined: only anchors are known. */
  readonly #authorities: ReadonlyMap<string, readonly Certificate[]> | undefined;

  constructor(trust: TrustSet) {
    this.trust = trust;
    this.#revocations = new RevocationIndex(trust.revocations);
    this.#authorities = trust.authorities === undefined ? undefined : bySubject(trust.authorities);
  }

  /**
   * Verifies a presented chain.
   * @param chain leaf first, the rest in any order
   * @param time the moment for which validity is judged, Unix milliseconds
   * @throws SpiffeError MCA_SVID_INVALID, MCA_SVID_UNTRUSTED, MCA_SVID_EXPIRED, MCA_SVID_NOT_YET_VALID, MCA_SVID_REVOKED
   */
  verify(chain: readonly Certificate[], time: number): VerifiedX509Svid {
    const verified = this.#verify(chain, time);
    if (idRole(verified.id).kind === "nothing") {
      throw untrusted("X-17", `the reserved ID ${verified.id} authenticates nobody`);
    }
    return verified;
  }

  /**
   * Verifies a probe certificate, which `verify` refuses: for trying an authority before it is used. It authenticates nobody.
   * @throws SpiffeError as `verify`, and MCA_PEER_ID_UNEXPECTED for any other ID
   */
  verifyProbe(chain: readonly Certificate[], time: number): VerifiedX509Svid {
    const verified = this.#verify(chain, time);
    expectPeer(verified, probeId(this.trust.trustDomain));
    return verified;
  }

  #verify(chain: readonly Certificate[], time: number): VerifiedX509Svid {
    const [leaf] = chain;
    if (leaf === undefined) throw untrusted("X-12", "no certificate was presented");
    if (chain.length > MAX_CERTIFICATES) throw untrusted("X-12", `more than ${MAX_CERTIFICATES} certificates`);
    const { id } = parseX509Svid(leaf);
    if (!id.trustDomain.equals(this.trust.trustDomain)) {
      throw untrusted("X-12", `${id} is not of the trust domain ${this.trust.trustDomain}`);
    }
    checkValidity(leaf, time);
    const path = this.#authorities === undefined ? this.#generalPath(chain, time) : this.#ownPath(leaf, time);
    const [, issuer] = path;
    if (issuer === undefined) throw untrusted("X-11", "the leaf is itself a trust anchor");
    for (const { publicKey } of path) {
      if (this.trust.distrustedSpkis.has(publicKey.spkiSha256)) {
        throw untrusted("distrusted", `the key ${publicKey.spkiSha256} is distrusted`);
      }
    }
    this.#revocations.check(id, path);
    return new VerifiedX509Svid(id, leaf, issuer, path);
  }

  /** only a published authority may have signed the leaf, so what else was presented does not matter. */
  #ownPath(leaf: Certificate, time: number): readonly Certificate[] {
    const authorities = this.#authorities?.get(nameKey(leaf.issuer)) ?? [];
    let failure: unknown;
    for (const authority of authorities) {
      try {
        const path = this.#validate([leaf, authority, ...this.trust.intermediates], time);
        if (path[1]?.publicKey.spkiSha256 === authority.publicKey.spkiSha256) return path;
      } catch (error) {
        failure = error;
      }
    }
    if (failure !== undefined) throw pathRefused(failure);
    throw untrusted("X-16", "its issuer is not a published authority of the trust domain");
  }

  #generalPath(chain: readonly Certificate[], time: number): readonly Certificate[] {
    try {
      return this.#validate([...chain, ...this.trust.intermediates], time);
    } catch (error) {
      throw pathRefused(error);
    }
  }

  #validate(chain: readonly Certificate[], time: number): readonly Certificate[] {
    return validatePath({
      chain,
      anchors: this.trust.anchors,
      time,
      target: "end-entity",
      purposes: ["serverAuth", "clientAuth"],
      maxCertificates: MAX_CERTIFICATES,
      cache: this.#cache,
    }).path;
  }
}

/**
 * Requires that a verified peer is exactly `expected`.
 * @throws SpiffeError MCA_PEER_ID_UNEXPECTED
 */
export function expectPeer(svid: VerifiedX509Svid, expected: SpiffeId): void {
  if (svid.id.equals(expected)) return;
  throw new SpiffeError(
    "MCA_PEER_ID_UNEXPECTED",
    `The peer is ${svid.id}, not ${expected}. Check the address, or whom you expect there.`,
    { details: { found: svid.id.toString(), expected: expected.toString() } },
  );
}

/**
 * Requires that a verified peer is exactly the mesh-ca server of its trust domain.
 * @throws SpiffeError MCA_PEER_ID_UNEXPECTED
 */
export function expectServer(svid: VerifiedX509Svid): void {
  expectPeer(svid, serverId(svid.id.trustDomain));
}

function checkValidity(leaf: Certificate, time: number): void {
  if (time > leaf.notAfter) {
    throw new SpiffeError(
      "MCA_SVID_EXPIRED",
      `The certificate expired at ${new Date(leaf.notAfter).toISOString()}. Renew it, or correct this machine's clock.`,
    );
  }
  if (time < leaf.notBefore) {
    throw new SpiffeError(
      "MCA_SVID_NOT_YET_VALID",
      `The certificate is valid only from ${new Date(leaf.notBefore).toISOString()}. Is this machine's clock behind?`,
    );
  }
}

function bySubject(authorities: readonly Certificate[]): ReadonlyMap<string, readonly Certificate[]> {
  const map = new Map<string, Certificate[]>();
  for (const authority of authorities) {
    const key = nameKey(authority.subject);
    const others = map.get(key);
    if (others === undefined) map.set(key, [authority]);
    else others.push(authority);
  }
  return map;
}

function nameKey(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString("latin1");
}

function pathRefused(error: unknown): SpiffeError {
  if (!(error instanceof X509Error)) throw error;
  return new SpiffeError("MCA_SVID_UNTRUSTED", `The certificate is not trusted: ${error.message}`, {
    cause: error,
    details: { ...error.details, rule: error instanceof PathError ? error.rule : "X-12" },
  });
}

function untrusted(rule: string, found: string): SpiffeError {
  return new SpiffeError("MCA_SVID_UNTRUSTED", `The certificate is not trusted (${rule}): ${found}.`, {
    details: { rule, found },
  });
}
