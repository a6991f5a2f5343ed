// The probe of a new authority: one recorded certificate of the reserved ID /mesh-ca/probe that lives a minute. It is signed by
// the new key and verified against exactly the trust that is about to be published, by our verifier and by OpenSSL. An upstream
// is believed only after this (spec/enterprise-pki.md); a probe that fails harms nothing of the present authority.
import { type KeyObject, X509Certificate } from "node:crypto";
import { MeshCaError } from "../../runtime/index.ts";
import { type TrustSet, X509SvidVerifier } from "../../spiffe/index.ts";
import { nameToString, parseCertificate, publicKeyOf } from "../../x509/index.ts";
import { drawProbe } from "../issuance/probe.ts";
import { signCommitted } from "../issuance/sign.ts";
import { generatePrivateKey } from "../keys/generate.ts";
import type { Signer } from "../keys/index.ts";
import type { AcceptedAuthority, Finding } from "../upstream/index.ts";
import { CandidateAuthority } from "./candidate.ts";
import { AuthorityError } from "./errors.ts";
import type { ProvisionDependencies } from "./provision.ts";

/** A probe to be tried by another implementation, against exactly the trust that is about to be published. */
export interface ProbeMaterial {
  /** Leaf first, then the authority and its intermediates, without the root. DER. */
  readonly chain: readonly Uint8Array[];
  /** The probe's own private key; it certifies nothing but this probe and lives as long. */
  readonly key: KeyObject;
  /** The only trust anchor to accept, DER. */
  readonly anchor: Uint8Array;
  /** The moment of the judgement, Unix milliseconds. */
  readonly time: number;
}

/** Tries a probe with OpenSSL. Rejects with a sentence when it is not accepted. */
export type ProbeVerifier = (probe: ProbeMaterial) => Promise<void>;

/**
 * Tries an authority. Answers what is wrong with it, undefined if nothing is.
 * @param trust what would be published with it
 * @throws LedgerError where the probe cannot be recorded: then nothing was signed
 */
export async function tryAuthority(
  dependencies: ProvisionDependencies,
  signer: Signer,
  accepted: AcceptedAuthority,
  trust: TrustSet,
): Promise<Finding | undefined> {
  const { clock, probeVerifier = verifyLinks } = dependencies;
  const refused = (found: string): Finding => ({
    severity: "error",
    certificate: nameToString(accepted.certificate.subject),
    rule: "probe",
    found,
    expected: "a certificate under it that our verifier and OpenSSL accept",
  });
  const key = await generatePrivateKey("ec-p256");
  let leaf: Uint8Array;
  try {
    leaf = await issueProbe(dependencies, signer, accepted, key);
  } catch (error) {
    if (error instanceof MeshCaError && error.code === "MCA_LINT_FAILED") return refused(error.message);
    throw error;
  }
  const certificate = parseCertificate(leaf);
  const { intermediates, anchor } = accepted;
  const above = accepted.certificate.sha256 === anchor.sha256 ? [] : [accepted.certificate, ...intermediates];
  const time = clock.now();
  try {
    new X509SvidVerifier(trust).verifyProbe([certificate, ...above], time);
  } catch (error) {
    if (!(error instanceof MeshCaError)) throw error;
    return refused(`our verifier refuses it: ${error.message}`);
  }
  try {
    await probeVerifier({ chain: [leaf, ...above.map(({ der }) => der)], key, anchor: anchor.der, time });
  } catch (error) {
    return refused(`OpenSSL refuses it: ${error instanceof Error ? error.message : "no reason given"}`);
  }
  return undefined;
}

/** As `tryAuthority`, where nobody reads findings. @throws AuthorityError MCA_AUTHORITY_PROBE_FAILED */
export async function requireWorking(...[dependencies, signer, accepted, trust]: Parameters<typeof tryAuthority>) {
  const finding = await tryAuthority(dependencies, signer, accepted, trust);
  if (finding === undefined) return;
  const { certificate, rule, found, expected } = finding;
  throw new AuthorityError(
    "MCA_AUTHORITY_PROBE_FAILED",
    `The new authority "${certificate}" does not work and was given up; the present one is untouched. A probe under it was made: ${found}; expected ${expected}.`,
    { details: { certificate, rule, found, expected } },
  );
}

/** Records a probe, and signs it then. */
async function issueProbe(
  dependencies: ProvisionDependencies,
  signer: Signer,
  accepted: AcceptedAuthority,
  key: KeyObject,
): Promise<Uint8Array> {
  const { ledger, clock, random, replica, trustDomain, settings } = dependencies;
  const { intent, linted } = drawProbe({
    issuer: accepted.certificate,
    algorithm: signer.algorithm,
    replica,
    trustDomain,
    publicKey: publicKeyOf(key),
    now: clock.now(),
    clockSkewSeconds: settings.clockSkewSeconds,
    random,
  });
  const result = await ledger.commit(intent);
  if (result.kind !== "committed") throw new TypeError("a probe has a fresh key, so that nothing can be replayed");
  const { logIndex } = result.intent;
  try {
    const signed = await signCommitted(result.intent, linted, new CandidateAuthority(signer), clock.now());
    ledger.reportOutcome({ logIndex, result: "signed", signature: signed.signature });
    return signed.certificate;
  } catch (error) {
    ledger.reportOutcome({ logIndex, result: "failed" });
    throw error;
  }
}

/** Link by link, by the OpenSSL in Node: names, key identifiers and signatures. Needs no clock, which a TLS handshake does. */
async function verifyLinks({ chain, anchor }: ProbeMaterial): Promise<void> {
  const path = [...chain, anchor].map((der) => new X509Certificate(der));
  for (const [index, certificate] of path.entries()) {
    const issuer = path[index + 1];
    if (issuer === undefined) return;
    if (!certificate.checkIssued(issuer)) throw new Error(`"${issuer.subject}" did not issue "${certificate.subject}"`);
    if (!certificate.verify(issuer.publicKey)) throw new Error(`the signature under "${certificate.subject}" is wrong`);
  }
}
