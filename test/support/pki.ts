// A test PKI: roots, intermediates, leaves and whole chains, with any field overridden, so that a test can build exactly
// the certificate that must be refused. Signed with node:crypto and written by src/x509.
//
//   const root = createRoot();
//   const authority = createIntermediate(root, { pathLength: 0 });
//   const leaf = createLeaf(authority, { spiffeId: "spiffe://example.test/cart", notAfter: Date.now() + 60_000 });
//   leaf.certificate; leaf.pem; leaf.keyPem; chainPem(leaf, authority);
//
// Keys are generated once per process and label, because RSA keys are slow to make: `testKey("rsa-2048", "root")`.
import { generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import {
  algorithmIdentifier,
  authorityKeyIdExtension,
  basicConstraintsExtension,
  type Certificate,
  defaultSignatureAlgorithm,
  derBitString,
  derContext,
  derExplicit,
  derInteger,
  derSequence,
  derSmallInteger,
  derTime,
  encodeExtension,
  encodeName,
  encodePem,
  extendedKeyUsageExtension,
  type GeneralName,
  type KeyUsage,
  type KnownSignatureAlgorithm,
  keyIdentifier,
  keyUsageExtension,
  oid,
  parseCertificate,
  publicKeyOf,
  signBytes,
  subjectAltNameExtension,
  subjectKeyIdExtension,
} from "../../src/x509/index.ts";

export type TestKeyKind =
  | "ec-p256"
  | "ec-p384"
  | "ec-p521"
  | "ec-secp256k1"
  | "rsa-1024"
  | "rsa-2048"
  | "rsa-3072"
  | "rsa-4096"
  | "ed25519";

const keys = new Map<string, KeyObject>();

/** A private key of a kind: the same object for the same kind and label, within one process. */
export function testKey(kind: TestKeyKind = "ec-p256", label = "default"): KeyObject {
  const name = `${kind}/${label}`;
  let key = keys.get(name);
  if (key === undefined) {
    key = freshKey(kind);
    keys.set(name, key);
  }
  return key;
}

/** A private key that nobody else has. */
export function freshKey(kind: TestKeyKind = "ec-p256"): KeyObject {
  switch (kind) {
    case "ec-p256":
      return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
    case "ec-p384":
      return generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;
    case "ec-p521":
      return generateKeyPairSync("ec", { namedCurve: "P-521" }).privateKey;
    case "ec-secp256k1":
      return generateKeyPairSync("ec", { namedCurve: "secp256k1" }).privateKey;
    case "ed25519":
      return generateKeyPairSync("ed25519").privateKey;
    default:
      return generateKeyPairSync("rsa", { modulusLength: Number(kind.slice(4)) }).privateKey;
  }
}

/** An algorithm that src/x509 does not write, for certificates that must be refused. */
export interface ForeignAlgorithm {
  /** AlgorithmIdentifier, DER. */
  readonly der: Uint8Array;
  sign(key: KeyObject, tbs: Uint8Array): Uint8Array;
}

/** Everything that a test may override. `null` leaves an extension out. */
export interface CertificateOptions {
  /** Private key of the subject. Default: a fresh P-256 key. */
  readonly key?: KeyObject;
  /** SubjectPublicKeyInfo, DER, where it shall not be that of `key`. */
  readonly spki?: Uint8Array;
  /** Common name, or a whole Name as DER; "" is the empty name. */
  readonly subject?: string | Uint8Array;
  /** Unix milliseconds. Defaults: an hour ago; CAs for 30 days, leaves for an hour. */
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly serial?: Uint8Array;
  readonly ca?: boolean;
  readonly pathLength?: number;
  readonly basicConstraints?: "default" | "not-critical" | null;
  readonly keyUsage?: readonly KeyUsage[] | null;
  /** OIDs. */
  readonly extendedKeyUsage?: readonly string[] | null;
  /** Shorthand for one URI name. */
  readonly spiffeId?: string;
  readonly names?: readonly GeneralName[];
  readonly namesCritical?: boolean;
  readonly subjectKeyId?: Uint8Array | null;
  readonly authorityKeyId?: Uint8Array | null;
  readonly nameConstraints?: Uint8Array;
  /** More complete extensions, at the end. */
  readonly extraExtensions?: readonly Uint8Array[];
  readonly signatureAlgorithm?: KnownSignatureAlgorithm | ForeignAlgorithm;
  /** Name of the issuer, DER, where it shall not be the issuer's subject. */
  readonly issuerName?: Uint8Array;
  /** Sign with another key than the issuer's. */
  readonly signWith?: KeyObject;
  /** 2 is X.509 v3. */
  readonly version?: number;
}

/** A certificate with its private key. */
export class TestCertificate {
  readonly der: Uint8Array;
  readonly key: KeyObject;
  /** The subject's Name, DER. */
  readonly subject: Uint8Array;
  #certificate: Certificate | undefined;

  constructor(der: Uint8Array, key: KeyObject, subject: Uint8Array) {
    this.der = der;
    this.key = key;
    this.subject = subject;
  }

  /** Read by src/x509 when first asked for: a malformed one throws here, not where it is made. */
  get certificate(): Certificate {
    this.#certificate ??= parseCertificate(this.der);
    return this.#certificate;
  }

  get pem(): string {
    return encodePem("CERTIFICATE", this.der);
  }

  /** PKCS#8. */
  get keyPem(): string {
    return this.key.export({ format: "pem", type: "pkcs8" }).toString();
  }
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function nameOf(subject: string | Uint8Array): Uint8Array {
  if (typeof subject !== "string") return subject;
  return encodeName(subject === "" ? {} : { commonName: subject });
}

/** Any certificate; `issuer` undefined makes it self-signed. The roles below have the defaults. */
export function createCertificate(issuer: TestCertificate | undefined, options: CertificateOptions): TestCertificate {
  const key = options.key ?? freshKey();
  const subject = nameOf(options.subject ?? "");
  const publicKey = publicKeyOf(key);
  const signingKey = options.signWith ?? issuer?.key ?? key;
  const ca = options.ca ?? false;
  const names: readonly GeneralName[] = [
    ...(options.spiffeId === undefined ? [] : [{ kind: "uri", value: options.spiffeId } as const]),
    ...(options.names ?? []),
  ];
  const subjectKeyId = options.subjectKeyId === undefined ? keyIdentifier(publicKey) : options.subjectKeyId;
  const authorityKeyId =
    options.authorityKeyId === undefined ? keyIdentifier(publicKeyOf(issuer?.key ?? key)) : options.authorityKeyId;
  const extensions: Uint8Array[] = [];
  if (options.basicConstraints !== null) {
    const critical = options.basicConstraints !== "not-critical";
    extensions.push(basicConstraintsExtension({ ca, pathLength: options.pathLength, critical }));
  }
  if (options.keyUsage) extensions.push(keyUsageExtension(options.keyUsage));
  if (options.extendedKeyUsage) extensions.push(extendedKeyUsageExtension(options.extendedKeyUsage));
  if (names.length > 0) {
    extensions.push(subjectAltNameExtension(names, options.namesCritical ?? subject.length === 2));
  }
  if (subjectKeyId !== null) extensions.push(subjectKeyIdExtension(subjectKeyId));
  if (authorityKeyId !== null) extensions.push(authorityKeyIdExtension(authorityKeyId));
  if (options.nameConstraints !== undefined) extensions.push(options.nameConstraints);
  extensions.push(...(options.extraExtensions ?? []));
  const algorithm = options.signatureAlgorithm ?? defaultSignatureAlgorithm(publicKeyOf(signingKey));
  const algorithmDer = typeof algorithm === "string" ? algorithmIdentifier(algorithm) : algorithm.der;
  // Not encodeTbsCertificate, which refuses what some tests need here.
  const tbs = derSequence(
    derExplicit(0, derSmallInteger(options.version ?? 2)),
    derInteger(options.serial ?? Uint8Array.of(1, ...randomBytes(16))),
    algorithmDer,
    options.issuerName ?? issuer?.subject ?? subject,
    derSequence(
      derTime(options.notBefore ?? Date.now() - HOUR_MS),
      derTime(options.notAfter ?? Date.now() + (ca ? 30 * DAY_MS : HOUR_MS)),
    ),
    subject,
    options.spki ?? publicKey.spki,
    ...(extensions.length === 0 ? [] : [derExplicit(3, derSequence(...extensions))]),
  );
  const signature =
    typeof algorithm === "string" ? signBytes(signingKey, algorithm, tbs) : algorithm.sign(signingKey, tbs);
  return new TestCertificate(derSequence(tbs, algorithmDer, derBitString(signature)), key, subject);
}

const CA_DEFAULTS: CertificateOptions = { ca: true, keyUsage: ["keyCertSign", "cRLSign"] };

/** A self-signed CA. */
export function createRoot(options: CertificateOptions = {}): TestCertificate {
  return createCertificate(undefined, { subject: "Test Root", ...CA_DEFAULTS, ...options });
}

let intermediates = 0;

/** A CA under another CA, with a subject of its own. */
export function createIntermediate(issuer: TestCertificate, options: CertificateOptions = {}): TestCertificate {
  intermediates++;
  return createCertificate(issuer, { subject: `Test Intermediate ${intermediates}`, ...CA_DEFAULTS, ...options });
}

/** An X.509-SVID with an empty subject; spiffe://example.test/workload unless names are given. */
export function createLeaf(issuer: TestCertificate, options: CertificateOptions = {}): TestCertificate {
  const named = options.names !== undefined || options.spiffeId !== undefined;
  return createCertificate(issuer, {
    keyUsage: ["digitalSignature"],
    extendedKeyUsage: [oid.serverAuth, oid.clientAuth],
    ...(named ? {} : { spiffeId: "spiffe://example.test/workload" }),
    ...options,
  });
}

/** Certificates as one PEM text, in the order given. */
export function chainPem(...certificates: readonly TestCertificate[]): string {
  return certificates.map((certificate) => certificate.pem).join("");
}

/** A nameConstraints extension. Each list holds GeneralNames as DER (see `generalNameDer` for the common ones). */
export function nameConstraintsExtension(
  constraints: { readonly permitted?: readonly Uint8Array[]; readonly excluded?: readonly Uint8Array[] },
  critical = true,
): Uint8Array {
  const subtrees = (n: number, bases: readonly Uint8Array[] | undefined): Uint8Array[] =>
    bases === undefined || bases.length === 0
      ? []
      : [derContext(n, Buffer.concat(bases.map((base) => derSequence(base))), true)];
  const value = derSequence(...subtrees(0, constraints.permitted), ...subtrees(1, constraints.excluded));
  return encodeExtension(oid.nameConstraints, critical, value);
}

/** GeneralNames as DER, for name constraints. `ip` takes the octets of address and mask. */
export const generalNameDer = {
  email: (text: string): Uint8Array => derContext(1, Buffer.from(text, "latin1"), false),
  dns: (text: string): Uint8Array => derContext(2, Buffer.from(text, "latin1"), false),
  directory: (name: Uint8Array): Uint8Array => derContext(4, name, true),
  uri: (text: string): Uint8Array => derContext(6, Buffer.from(text, "latin1"), false),
  ip: (...octets: readonly number[]): Uint8Array => derContext(7, Uint8Array.from(octets), false),
} as const;
