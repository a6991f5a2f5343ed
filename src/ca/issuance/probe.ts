// The probe: a certificate of the reserved ID /mesh-ca/probe by which a new authority is tried before it is believed. It goes the
// way of every other certificate (profile, lint, intent, commit, sign), lives a minute and authenticates nobody.
import type { RandomSource } from "../../runtime/index.ts";
import { probeId, type TrustDomain } from "../../spiffe/index.ts";
import type { Certificate, PublicKeyInfo } from "../../x509/index.ts";
import type { SignerAlgorithm } from "../keys/index.ts";
import { Intent } from "../ledger/index.ts";
import { type LintedTbs, lint, readLintIssuer } from "./lint/index.ts";
import { LeafProfile } from "./profile.ts";
import { createSerial } from "./serial.ts";

const PROBE_SECONDS = 60;

export interface ProbeOrder {
  /** The new authority's certificate: its subject and key identifier are copied byte for byte. */
  readonly issuer: Certificate;
  /** What the new authority signs with. */
  readonly algorithm: SignerAlgorithm;
  /** 1 to 127. */
  readonly replica: number;
  readonly trustDomain: TrustDomain;
  readonly publicKey: PublicKeyInfo;
  /** Unix milliseconds. */
  readonly now: number;
  readonly clockSkewSeconds: number;
  readonly random: RandomSource;
}

/**
 * Writes a probe and has it linted.
 * @throws IssuanceError MCA_LINT_FAILED where no leaf under this authority can keep the rules
 */
export function drawProbe(order: ProbeOrder): { readonly intent: Intent; readonly linted: LintedTbs } {
  const { issuer, algorithm, replica, trustDomain, publicKey } = order;
  const now = Math.floor(order.now / 1000) * 1000;
  const serial = createSerial(replica, order.random);
  const notBefore = Math.max(now - order.clockSkewSeconds * 1000, issuer.notBefore);
  const notAfter = Math.min(now + PROBE_SECONDS * 1000, issuer.notAfter);
  const spiffeId = probeId(trustDomain).toString();
  const dnsNames: readonly string[] = [];
  const profile = new LeafProfile(issuer, algorithm);
  const linted = lint(profile.build({ serial, notBefore, notAfter, publicKey, spiffeId, dnsNames }), {
    issuer: readLintIssuer(issuer.der),
    signatureAlgorithm: algorithm,
    serial,
    replica,
    notBefore,
    notAfter,
    spki: publicKey.spki,
    spiffeId,
    trustDomain: trustDomain.name,
    idKind: "probe",
    dnsNames,
  });
  const intent = new Intent({
    kind: "svid.probe",
    serial,
    spiffeId,
    tbs: linted.bytes,
    spkiSha256: publicKey.spkiSha256,
    authority: issuer.publicKey.spkiSha256,
    notBefore,
    notAfter,
    issuedAt: order.now,
    requester: "self",
    requesterAddress: "",
    requestId: "",
    attestor: undefined,
    attributes: new Map(),
    rule: undefined,
    lineage: { kind: "none" },
  });
  return { intent, linted };
}
