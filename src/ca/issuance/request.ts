// What issuance takes and gives. The identity comes from the grant, which policy made; the CSR gives only a public key
// and the proof that the caller holds its private half (invariant 3).
import type { SpiffeId } from "../../spiffe/index.ts";
import type { LineageStep } from "../ledger/index.ts";

/** What a rule grants. Made by the registry, never from a CSR. */
export interface Grant {
  /** Name of the rule. */
  readonly rule: string;
  readonly ruleRevision: bigint;
  readonly spiffeId: SpiffeId;
  readonly dnsNames: readonly string[];
  readonly ttlSeconds: number;
  readonly roles: readonly string[];
  /** Why `ttlSeconds` is shorter than asked or configured, if it is. */
  readonly shortenedBy?: string;
}

/** Who asks, as the ledger will tell it. */
export interface Requester {
  /** "token:<id>", "jwt:<instance>:<sub>", a SPIFFE ID, ... */
  readonly name: string;
  /** Network address of the connection. */
  readonly address: string;
  readonly requestId: string;
  /** The attestor instance that established the evidence. */
  readonly attestor?: string;
  readonly attributes: ReadonlyMap<string, string>;
}

/** A request for one X.509-SVID, after access, attestation and policy. */
export interface X509SvidRequest {
  /** PKCS#10, DER. */
  readonly csrDer: Uint8Array;
  readonly grant: Grant;
  readonly requester: Requester;
  readonly lineage: LineageStep;
  /** The join token that this enrolment redeems. */
  readonly token?: { readonly secretSha256: Uint8Array };
  /** Lifetime that is wished for; absent or 0: what the grant says. */
  readonly ttlSeconds?: number;
}

/** A request for the server's own certificate. */
export interface ServerSvidRequest {
  /** PKCS#10 for a key that the server made, DER. */
  readonly csrDer: Uint8Array;
  /** DNS names from the configuration. */
  readonly dnsNames?: readonly string[];
  /** Lifetime; absent: the default lifetime of leaves. */
  readonly ttlSeconds?: number;
  readonly requestId?: string;
}

/** An issued, recorded and signed certificate. */
export interface IssuedX509Svid {
  /** Leaf first, then the intermediates, never the root. DER. */
  readonly chain: readonly Uint8Array[];
  readonly spiffeId: SpiffeId;
  /** Lower-case hex. */
  readonly serial: string;
  /** Unix milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** When to renew, Unix milliseconds: about half the lifetime, jittered so that a herd spreads. */
  readonly renewAt: number;
  /** The index of the ledger entry that was durable before this was signed. */
  readonly logIndex: bigint;
  /** Name of the rule; empty for the server's own. */
  readonly rule: string;
  /** Id of the lineage; empty for the server's own. */
  readonly lineage: string;
  /** Why the lifetime is shorter than asked or configured; empty if it is not. */
  readonly shortenedBy: string;
  /** Nothing new: a lost answer was given again out of the record. */
  readonly repeated: boolean;
}
