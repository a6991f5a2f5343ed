// /certs: what the proxy shows and whom it trusts, as facts. Certificates are public; no key is ever looked at here.
import type { TrustSet } from "../../spiffe/index.ts";
import { type Certificate, decodePem, nameToString, parseCertificate } from "../../x509/index.ts";
import type { ProxyState } from "../state.ts";

export interface CertificateFacts {
  readonly subject: string;
  readonly issuer: string;
  /** Lower-case hex. */
  readonly serialNumber: string;
  /** SHA-256 of the DER, lower-case hex. */
  readonly sha256: string;
  /** RFC 3339. */
  readonly notBefore: string;
  readonly notAfter: string;
  readonly uris: readonly string[];
}

export interface CertificatesPage {
  /** Null: there is no identity, and the listeners are closed. */
  readonly identity: {
    readonly spiffeId: string;
    readonly notAfter: string;
    readonly secondsLeft: number;
    /** Leaf first. */
    readonly chain: readonly CertificateFacts[];
  } | null;
  readonly trustDomains: readonly {
    readonly name: string;
    readonly sequence: string;
    readonly anchors: readonly CertificateFacts[];
    /** Published issuers of leaves; empty where only anchors are known. */
    readonly authorities: readonly CertificateFacts[];
    readonly distrustedKeys: number;
    readonly revocations: number;
  }[];
  /** Grow with each change. */
  readonly revisions: { readonly identity: number; readonly trust: number; readonly policies: number };
}

/** @param time Unix milliseconds */
export function certificatesPage(state: ProxyState, time: number): CertificatesPage {
  const { identity, ownId, peers } = state;
  return {
    identity:
      identity === undefined
        ? null
        : {
            spiffeId: ownId,
            notAfter: isoTime(identity.notAfter),
            secondsLeft: Math.floor((identity.notAfter - time) / 1_000),
            chain: decodePem(identity.certificateChainPem).map(({ der }) => factsOf(parseCertificate(der))),
          },
    trustDomains: peers.trust.map(trustFacts),
    revisions: { identity: state.identityRevision, trust: state.trustRevision, policies: state.policyRevision },
  };
}

function trustFacts(trust: TrustSet): CertificatesPage["trustDomains"][number] {
  return {
    name: trust.trustDomain.name,
    sequence: trust.sequence.toString(),
    anchors: trust.anchors.map(factsOf),
    authorities: (trust.authorities ?? []).map(factsOf),
    distrustedKeys: trust.distrustedSpkis.size,
    revocations: trust.revocations.length,
  };
}

function factsOf(certificate: Certificate): CertificateFacts {
  const names = certificate.subjectAltName?.names ?? [];
  return {
    subject: nameToString(certificate.subject),
    issuer: nameToString(certificate.issuer),
    serialNumber: certificate.serialHex,
    sha256: certificate.sha256,
    notBefore: isoTime(certificate.notBefore),
    notAfter: isoTime(certificate.notAfter),
    uris: names.flatMap((name) => (name.kind === "uri" ? [name.value] : [])),
  };
}

function isoTime(unixMs: number): string {
  return new Date(unixMs).toISOString();
}
