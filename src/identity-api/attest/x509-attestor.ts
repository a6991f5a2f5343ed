// A client certificate of an existing (enterprise) PKI as evidence for a first enrolment. Judged by our own path validator
// (RFC 5280 section 6.1) against the configured anchors, and stricter than it at the leaf: extended key usage must be there and
// name clientAuth. It never yields an identity by itself: it yields attributes, and rules decide.
import type { Clock, Logger } from "../../runtime/index.ts";
import {
  type Certificate,
  createPathCache,
  decodePem,
  type GeneralName,
  nameAttributes,
  nameToString,
  oid,
  type PathCache,
  parseCertificate,
  type ValidatedPath,
  validatePath,
  X509Error,
} from "../../x509/index.ts";
import { attributeValueProblem, withInstance } from "./attributes.ts";
import type { X509Config } from "./config.ts";
import { AttestError } from "./errors.ts";
import type { EstablishedEvidence } from "./types.ts";
import { WatchedFile } from "./watched-file.ts";

const MAX_PATH = 8;
/** Names of one kind that are numbered: dns1, dns2 ... */
const MAX_NUMBERED = 8;
const NAME_KINDS = ["dns", "uri", "email"] as const;

/** Attributes that can be established. `dns` only where there is exactly one, `dns1` ... always, in the certificate's order. */
export const X509_ATTRIBUTES: readonly string[] = [
  "commonName",
  "serial",
  "issuer",
  "issuerCommonName",
  ...NAME_KINDS.flatMap((kind) => [kind, ...Array.from({ length: MAX_NUMBERED }, (_, index) => `${kind}${index + 1}`)]),
];

export class X509Attestor {
  readonly instance: string;
  readonly #anchors: WatchedFile<readonly Certificate[]>;
  readonly #maxCertificates: number;
  #cache: { readonly of: readonly Certificate[]; readonly cache: PathCache } | undefined;

  /** @throws AttestError MCA_ATTESTOR_INVALID */
  constructor(instance: string, config: X509Config, clock: Clock, logger: Logger) {
    this.instance = instance;
    this.#maxCertificates = Math.min(config.maxPathLength ?? MAX_PATH, MAX_PATH);
    const parse = (bytes: Uint8Array) => parseAnchors(bytes, instance, config.caFile);
    this.#anchors = new WatchedFile({ path: config.caFile, instance, parse, clock, logger });
  }

  /** Validates a presented chain, leaf first. @throws X509Error MCA_PATH_INVALID; AttestError MCA_PEER_REFUSED, MCA_EVIDENCE_REFUSED */
  validate(
    chain: readonly Certificate[],
    time: number,
  ): { readonly path: ValidatedPath; readonly evidence: EstablishedEvidence } {
    const [leaf] = chain;
    if (leaf === undefined) throw refused("there is no certificate");
    const anchors = this.#anchors.current();
    if (this.#cache?.of !== anchors) this.#cache = { of: anchors, cache: createPathCache() };
    const path = validatePath({
      chain,
      anchors,
      time,
      target: "end-entity",
      purposes: ["clientAuth"],
      maxCertificates: this.#maxCertificates,
      cache: this.#cache.cache,
    });
    checkLeaf(leaf);
    return { path, evidence: this.#evidence(leaf) };
  }

  /** What is wrong with the file of anchors; undefined: nothing. */
  get problem(): string | undefined {
    return this.#anchors.problem;
  }

  #evidence(leaf: Certificate): EstablishedEvidence {
    const attributes = attributesOf(leaf);
    for (const [name, value] of attributes) {
      const problem = attributeValueProblem(value);
      if (problem === undefined) continue;
      throw new AttestError("MCA_EVIDENCE_REFUSED", `The certificate cannot be used: its ${name} ${problem}.`);
    }
    return {
      attestor: this.instance,
      kind: "x509",
      attributes: withInstance(this.instance, attributes),
      requester: `x509:${this.instance}:${leaf.serialHex}`,
    };
  }
}

/** validatePath has judged the chain; these are the leaf's own. */
function checkLeaf(leaf: Certificate): void {
  if (leaf.basicConstraints?.ca === true || leaf.keyUsage?.usages.has("keyCertSign") === true) {
    throw refused("it is the certificate of a CA, which never stands for a machine");
  }
  if (leaf.keyUsage !== undefined && !leaf.keyUsage.usages.has("digitalSignature")) {
    throw refused("its key usage lacks digitalSignature");
  }
  if (leaf.extendedKeyUsage?.purposes.includes(oid.clientAuth) !== true) {
    throw refused("its extended key usage does not name TLS client authentication");
  }
}

function attributesOf(leaf: Certificate): ReadonlyMap<string, string> {
  const attributes = new Map<string, string>([
    ["serial", leaf.serialHex],
    ["issuer", nameToString(leaf.issuer)],
  ]);
  setOnly(attributes, "commonName", commonNames(leaf.subject));
  setOnly(attributes, "issuerCommonName", commonNames(leaf.issuer));
  for (const kind of NAME_KINDS) {
    const values = (leaf.subjectAltName?.names ?? []).flatMap((name) => nameOfKind(name, kind));
    setOnly(attributes, kind, values);
    for (const [index, value] of values.slice(0, MAX_NUMBERED).entries()) attributes.set(`${kind}${index + 1}`, value);
  }
  return attributes;
}

/** Only an unambiguous name becomes an attribute: of two, neither is *the* name. */
function setOnly(attributes: Map<string, string>, name: string, values: readonly string[]): void {
  const [value] = values;
  if (values.length === 1 && value !== undefined && value !== "") attributes.set(name, value);
}

function nameOfKind(name: GeneralName, kind: (typeof NAME_KINDS)[number]): readonly string[] {
  return name.kind === kind && name.value !== "" ? [name.value] : [];
}

function commonNames(name: Uint8Array): readonly string[] {
  return nameAttributes(name)
    .flat()
    .flatMap((attribute) => (attribute.oid === oid.commonName ? [attribute.text ?? ""] : []));
}

function parseAnchors(bytes: Uint8Array, instance: string, path: string): readonly Certificate[] {
  const wrong = (what: string, cause?: unknown) =>
    new AttestError(
      "MCA_ATTESTOR_INVALID",
      `Attestor "${instance}": ${path}: ${what}`,
      cause === undefined ? {} : { cause },
    );
  let anchors: readonly Certificate[];
  try {
    anchors = decodePem(Buffer.from(bytes).toString("latin1")).map(({ label, der }) => {
      if (label !== "CERTIFICATE") throw wrong(`holds a ${label}; only the certificates of the PKI belong there.`);
      return parseCertificate(der);
    });
  } catch (error) {
    if (error instanceof X509Error) throw wrong(error.message, error);
    throw error;
  }
  for (const anchor of anchors) {
    if (anchor.basicConstraints?.ca !== true) {
      throw wrong(`"${nameToString(anchor.subject)}" is no CA certificate, so it cannot be a trust anchor.`);
    }
  }
  return anchors;
}

function refused(why: string): AttestError {
  return new AttestError("MCA_PEER_REFUSED", `The client certificate is not accepted: ${why}.`);
}
