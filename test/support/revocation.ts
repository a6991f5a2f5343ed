// CRLs and OCSP responses of the test PKI, with any field overridden, so that a test can build exactly what must be refused.
// Written by src/x509's DER writer and signed with node:crypto; the readers under test share none of this.
//
//   const crl = createCrl(root, { revoked: [{ serial: intermediate.certificate.serial, reason: "keyCompromise" }] });
//   const response = createOcspResponse(root, { certificate: intermediate, status: { kind: "good" } });
import { createHash, type KeyObject } from "node:crypto";
import {
  algorithmIdentifier,
  authorityKeyIdExtension,
  type Certificate,
  defaultSignatureAlgorithm,
  derBitString,
  derContext,
  derElement,
  derExplicit,
  derInteger,
  derNull,
  derOctetString,
  derOid,
  derSequence,
  derSmallInteger,
  derTime,
  encodeExtension,
  type KnownSignatureAlgorithm,
  keyIdentifier,
  oid,
  publicKeyOf,
  signBytes,
} from "../../src/x509/index.ts";
import { REVOCATION_REASONS, type RevocationReason } from "../../src/x509/revocation-reason.ts";
import type { TestCertificate } from "./pki.ts";

const HOUR_MS = 3_600_000;
const ENUMERATED = 0x0a;
const GENERALIZED_TIME = 0x18;

/** GeneralizedTime of any year, as OCSP wants it. */
export function generalizedTime(unixMs: number): Uint8Array {
  const text = new Date(unixMs).toISOString().replace(/\.\d+/, "").replace(/[-:T]/g, "");
  return derElement(GENERALIZED_TIME, Buffer.from(text, "latin1"));
}

const uriName = (uri: string): Uint8Array => derContext(6, Buffer.from(uri, "latin1"), false);

/** A distribution point of the CRL distribution points extension. */
export interface TestPoint {
  readonly uris: readonly string[];
  readonly someReasons?: boolean;
  readonly indirect?: boolean;
}

/** cRLDistributionPoints. */
export function crlDistributionPointsExtension(...points: readonly (string | TestPoint)[]): Uint8Array {
  const encoded = points.map((point) => {
    const { uris, someReasons = false, indirect = false } = typeof point === "string" ? { uris: [point] } : point;
    return derSequence(
      derExplicit(0, derContext(0, Buffer.concat(uris.map(uriName)), true)),
      ...(someReasons ? [derContext(1, Uint8Array.of(6, 0x40), false)] : []),
      ...(indirect ? [derContext(2, uriName("http://other.test"), true)] : []),
    );
  });
  return encodeExtension(oid.crlDistributionPoints, false, derSequence(...encoded));
}

/** authorityInfoAccess with OCSP responders, and a caIssuers entry that is to be skipped. */
export function ocspAccessExtension(...uris: readonly string[]): Uint8Array {
  const access = (method: string, uri: string): Uint8Array => derSequence(derOid(method), uriName(uri));
  return encodeExtension(
    oid.authorityInfoAccess,
    false,
    derSequence(
      access("1.3.6.1.5.5.7.48.2", "http://never-asked.test/ca.cer"),
      ...uris.map((uri) => access(oid.ocsp, uri)),
    ),
  );
}

export interface TestRevoked {
  readonly serial: Uint8Array;
  readonly revokedAt?: number;
  readonly reason?: RevocationReason;
  readonly invalidityDate?: number;
  /** More complete extensions of the entry. */
  readonly extraExtensions?: readonly Uint8Array[];
}

/** Everything that a test may override. */
export interface CrlOptions {
  readonly revoked?: readonly TestRevoked[];
  /** The contents of revokedCertificates, where a test makes them itself. */
  readonly entries?: Uint8Array;
  readonly thisUpdate?: number;
  /** null: none. */
  readonly nextUpdate?: number | null;
  /** null: none. */
  readonly number?: number | null;
  readonly version?: 1 | 2;
  readonly issuerName?: Uint8Array;
  readonly authorityKeyId?: Uint8Array | null;
  readonly signWith?: KeyObject;
  readonly signatureAlgorithm?: KnownSignatureAlgorithm;
  /** Contents of an issuing distribution point. */
  readonly scope?: Uint8Array;
  readonly deltaBase?: number;
  readonly extraExtensions?: readonly Uint8Array[];
}

/** An entry of revokedCertificates, DER. */
export function crlEntry(entry: TestRevoked): Uint8Array {
  const { reason, invalidityDate } = entry;
  const extensions = [
    ...(reason === undefined
      ? []
      : [
          encodeExtension(
            oid.crlReason,
            false,
            derElement(ENUMERATED, Uint8Array.of(REVOCATION_REASONS.indexOf(reason))),
          ),
        ]),
    ...(invalidityDate === undefined
      ? []
      : [encodeExtension(oid.invalidityDate, false, generalizedTime(invalidityDate))]),
    ...(entry.extraExtensions ?? []),
  ];
  return derSequence(
    derInteger(entry.serial),
    derTime(entry.revokedAt ?? Date.now() - HOUR_MS),
    ...(extensions.length === 0 ? [] : [derSequence(...extensions)]),
  );
}

/** The contents of an issuing distribution point. */
export function crlScope(fields: {
  readonly uris?: readonly string[];
  /** Tags of the flags that are set: 1 user, 2 CA, 4 indirect, 5 attribute certificates. */
  readonly flags?: readonly number[];
  readonly someReasons?: boolean;
}): Uint8Array {
  const flag = (n: number): Uint8Array[] =>
    fields.flags?.includes(n) === true ? [derContext(n, Uint8Array.of(0xff), false)] : [];
  return derSequence(
    ...(fields.uris === undefined
      ? []
      : [derExplicit(0, derContext(0, Buffer.concat(fields.uris.map(uriName)), true))]),
    ...flag(1),
    ...flag(2),
    ...(fields.someReasons === true ? [derContext(3, Uint8Array.of(6, 0x40), false)] : []),
    ...flag(4),
    ...flag(5),
  );
}

/** A CRL, DER, signed by `issuer`: from an hour ago for a day, number 1, empty. */
export function createCrl(issuer: TestCertificate, options: CrlOptions = {}): Uint8Array {
  const { version = 2, number = 1, deltaBase, scope } = options;
  const now = Date.now();
  const signingKey = options.signWith ?? issuer.key;
  const algorithm = options.signatureAlgorithm ?? defaultSignatureAlgorithm(publicKeyOf(signingKey));
  const keyId = options.authorityKeyId === undefined ? keyIdentifier(publicKeyOf(issuer.key)) : options.authorityKeyId;
  const extensions = [
    ...(keyId === null ? [] : [authorityKeyIdExtension(keyId)]),
    ...(number === null ? [] : [encodeExtension(oid.crlNumber, false, derSmallInteger(number))]),
    ...(deltaBase === undefined ? [] : [encodeExtension(oid.deltaCrlIndicator, true, derSmallInteger(deltaBase))]),
    ...(scope === undefined ? [] : [encodeExtension(oid.issuingDistributionPoint, true, scope)]),
    ...(options.extraExtensions ?? []),
  ];
  const entries = options.entries ?? Buffer.concat((options.revoked ?? []).map(crlEntry));
  const tbs = derSequence(
    ...(version === 1 ? [] : [derSmallInteger(1)]),
    algorithmIdentifier(algorithm),
    options.issuerName ?? issuer.subject,
    derTime(options.thisUpdate ?? now - HOUR_MS),
    ...(options.nextUpdate === null ? [] : [derTime(options.nextUpdate ?? now + 23 * HOUR_MS)]),
    ...(entries.length === 0 ? [] : [derSequence(entries)]),
    ...(version === 1 || extensions.length === 0 ? [] : [derExplicit(0, derSequence(...extensions))]),
  );
  return derSequence(tbs, algorithmIdentifier(algorithm), derBitString(signBytes(signingKey, algorithm, tbs)));
}

export type TestOcspStatus =
  | { readonly kind: "good" }
  | { readonly kind: "unknown" }
  | { readonly kind: "revoked"; readonly revokedAt?: number; readonly reason?: RevocationReason };

/** Everything that a test may override. */
export interface OcspOptions {
  readonly certificate: TestCertificate;
  readonly status?: TestOcspStatus;
  /** The responder, where it is not the issuer; its certificate comes along. */
  readonly responder?: TestCertificate;
  readonly responderId?: "name" | "key";
  readonly certificates?: readonly Uint8Array[];
  readonly signWith?: KeyObject;
  readonly thisUpdate?: number;
  /** null: none. */
  readonly nextUpdate?: number | null;
  readonly nonce?: Uint8Array;
  readonly hash?: "sha1" | "sha256";
  readonly serial?: Uint8Array;
  /** Whose key hash is given, where it is not the issuer's. */
  readonly keyOf?: Certificate;
  /** The single response this many times. */
  readonly times?: number;
  readonly extraExtensions?: readonly Uint8Array[];
  /** An OCSPResponseStatus that is not successful. */
  readonly failure?: number;
}

/** An OCSPResponse, DER, of `issuer` or its responder: an hour old, good for a day. */
export function createOcspResponse(issuer: TestCertificate, options: OcspOptions): Uint8Array {
  if (options.failure !== undefined) return derSequence(derElement(ENUMERATED, Uint8Array.of(options.failure)));
  const { status = { kind: "good" }, responder = issuer, hash = "sha1", nonce, nextUpdate } = options;
  const now = Date.now();
  const digest = (bytes: Uint8Array, name: string = hash): Uint8Array =>
    new Uint8Array(createHash(name).update(bytes).digest());
  const certId = derSequence(
    derSequence(derOid(hash === "sha1" ? oid.sha1 : oid.sha256), derNull()),
    derOctetString(digest(options.certificate.certificate.issuer)),
    derOctetString(digest((options.keyOf ?? issuer.certificate).publicKey.keyBits)),
    derInteger(options.serial ?? options.certificate.certificate.serial),
  );
  const single = derSequence(
    certId,
    encodeStatus(status),
    generalizedTime(options.thisUpdate ?? now - HOUR_MS),
    ...(nextUpdate === null ? [] : [derExplicit(0, generalizedTime(nextUpdate ?? now + 23 * HOUR_MS))]),
  );
  const responderId =
    options.responderId === "key"
      ? derExplicit(2, derOctetString(digest(responder.certificate.publicKey.keyBits, "sha1")))
      : derExplicit(1, responder.subject);
  const extensions = [
    ...(nonce === undefined ? [] : [encodeExtension(oid.ocspNonce, false, derOctetString(nonce))]),
    ...(options.extraExtensions ?? []),
  ];
  const data = derSequence(
    responderId,
    generalizedTime(now),
    derSequence(...Array.from({ length: options.times ?? 1 }, () => single)),
    ...(extensions.length === 0 ? [] : [derExplicit(1, derSequence(...extensions))]),
  );
  const signingKey = options.signWith ?? responder.key;
  const algorithm = defaultSignatureAlgorithm(publicKeyOf(signingKey));
  const certificates = options.certificates ?? (responder === issuer ? [] : [responder.der]);
  const basic = derSequence(
    data,
    algorithmIdentifier(algorithm),
    derBitString(signBytes(signingKey, algorithm, data)),
    ...(certificates.length === 0 ? [] : [derExplicit(0, derSequence(...certificates))]),
  );
  const bytes = derSequence(derOid(oid.ocspBasic), derOctetString(basic));
  return derSequence(derElement(ENUMERATED, Uint8Array.of(0)), derExplicit(0, bytes));
}

function encodeStatus(status: TestOcspStatus): Uint8Array {
  if (status.kind !== "revoked") return derContext(status.kind === "good" ? 0 : 2, new Uint8Array(0), false);
  const { reason, revokedAt = Date.now() - HOUR_MS } = status;
  return derExplicit(
    1,
    Buffer.concat([
      generalizedTime(revokedAt),
      ...(reason === undefined
        ? []
        : [derExplicit(0, derElement(ENUMERATED, Uint8Array.of(REVOCATION_REASONS.indexOf(reason))))]),
    ]),
  );
}
