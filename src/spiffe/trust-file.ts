// The trust file of mesh-ca (`mesh-ca bundle export --format mesh-ca`): what a caller without a token needs to verify the server
// and its peers, as JSON for files and configuration management. Whoever can change this file chooses whom its reader
// trusts. Reading refuses unknown members, so that a newer file never loses a restriction in an older reader.
import { type Certificate, parseCertificate } from "../x509/index.ts";
import { decodeBase64, encodeBase64 } from "./base64.ts";
import { SpiffeError } from "./errors.ts";
import { type JsonInput, type JsonObject, type JsonValue, parseJson, writeJson } from "./json.ts";
import { serverId } from "./reserved.ts";
import { SpiffeId } from "./spiffe-id.ts";
import { TrustDomain } from "./trust-domain.ts";
import type { Revocation, TrustSet } from "./trust-set.ts";

const MAX_CHARS = 16 * 1024 * 1024;
const VERSION = 1n;
const HEX = /^(?:[0-9a-f]{2}){1,64}$/;
const SHA256_HEX = /^[0-9a-f]{64}$/;
const MEMBERS = new Set([
  "version",
  "trustDomain",
  "serverId",
  "sequence",
  "revision",
  "refreshHintSeconds",
  "anchors",
  "authorities",
  "intermediates",
  "distrustedSpkis",
  "revocations",
]);

/** Writes a trust file. `authorities` is null where only anchors are known (rule X-16 is then off for the reader too). */
export function encodeTrustFile(trust: TrustSet): string {
  return `${writeJson({
    version: VERSION,
    trustDomain: trust.trustDomain.name,
    serverId: serverId(trust.trustDomain).toString(),
    sequence: trust.sequence,
    revision: trust.revision,
    refreshHintSeconds: trust.refreshHintSeconds,
    anchors: trust.anchors.map(encodeCertificate),
    authorities: trust.authorities?.map(encodeCertificate) ?? null,
    intermediates: trust.intermediates.map(encodeCertificate),
    distrustedSpkis: [...trust.distrustedSpkis],
    revocations: trust.revocations.map(encodeRevocation),
  })}\n`;
}

/**
 * Reads a trust file.
 * @throws SpiffeError MCA_TRUST_FILE_INVALID with what was found
 */
export function parseTrustFile(text: string): TrustSet {
  const members = parseMembers(text);
  if (members.get("version") !== VERSION) throw invalid("its version is not 1");
  for (const name of members.keys()) {
    if (!MEMBERS.has(name)) throw invalid(`it has the unknown member ${JSON.stringify(name)}`);
  }
  const trustDomain = parse("trustDomain", () => TrustDomain.parse(parseString(members, "trustDomain")));
  if (parseString(members, "serverId") !== serverId(trustDomain).toString()) {
    throw invalid(`its serverId is not ${serverId(trustDomain)}`);
  }
  return {
    trustDomain,
    sequence: parseInteger(members, "sequence"),
    // Files from before it was counted have none.
    revision: members.has("revision") ? parseInteger(members, "revision") : 0n,
    refreshHintSeconds: Number(parseInteger(members, "refreshHintSeconds")),
    anchors: parseList(members, "anchors").map(parseEncodedCertificate),
    authorities:
      members.get("authorities") === null ? undefined : parseList(members, "authorities").map(parseEncodedCertificate),
    intermediates: parseList(members, "intermediates").map(parseEncodedCertificate),
    distrustedSpkis: new Set(parseList(members, "distrustedSpkis").map((value) => parseMatch(value, SHA256_HEX))),
    revocations: parseList(members, "revocations").map(parseRevocation),
  };
}

function parseMembers(text: string): JsonObject {
  const value = parse("JSON", () => parseJson(text, MAX_CHARS));
  if (!(value instanceof Map)) throw invalid("it is not a JSON object");
  return value;
}

function parseString(members: JsonObject, name: string): string {
  const value = members.get(name);
  if (typeof value !== "string") throw invalid(`${name} is missing or not a text`);
  return value;
}

function parseInteger(members: JsonObject, name: string): bigint {
  const value = members.get(name);
  if (typeof value !== "bigint" || value < 0n) throw invalid(`${name} is missing or not an integer of 0 or more`);
  return value;
}

function parseList(members: JsonObject, name: string): readonly JsonValue[] {
  const value = members.get(name);
  if (!Array.isArray(value)) throw invalid(`${name} is missing or not a list`);
  return value;
}

function parseMatch(value: JsonValue | undefined, pattern: RegExp): string {
  if (typeof value !== "string" || !pattern.test(value))
    throw invalid("something that should be lower-case hex is not");
  return value;
}

function encodeCertificate(certificate: Certificate): string {
  return encodeBase64(certificate.der);
}

function parseEncodedCertificate(value: JsonValue): Certificate {
  const der = typeof value === "string" ? decodeBase64(value) : undefined;
  if (der === undefined) throw invalid("a certificate is not base64 of DER");
  return parse("a certificate", () => parseCertificate(der));
}

function encodeRevocation(revocation: Revocation): JsonInput {
  return revocation.kind === "id"
    ? { spiffeId: revocation.spiffeId, issuedBefore: new Date(revocation.issuedBefore).toISOString() }
    : revocation.kind === "spki"
      ? { spkiSha256: revocation.spkiSha256 }
      : { serial: revocation.serial };
}

function parseRevocation(value: JsonValue): Revocation {
  if (!(value instanceof Map)) throw invalid("a revocation is not an object");
  switch ([...value.keys()].sort().join()) {
    case "serial":
      return { kind: "serial", serial: parseMatch(value.get("serial"), HEX) };
    case "spkiSha256":
      return { kind: "spki", spkiSha256: parseMatch(value.get("spkiSha256"), SHA256_HEX) };
    case "issuedBefore,spiffeId":
      return {
        kind: "id",
        spiffeId: parse("a revoked ID", () => SpiffeId.parse(parseString(value, "spiffeId"))).toString(),
        issuedBefore: parseTime(parseString(value, "issuedBefore")),
      };
    default:
      throw invalid("a revocation is of an unknown kind");
  }
}

function parseTime(text: string): number {
  const time = Date.parse(text);
  if (Number.isNaN(time) || new Date(time).toISOString() !== text) {
    throw invalid("a time is not RFC 3339 in UTC with milliseconds");
  }
  return time;
}

function parse<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw invalid(`${what} cannot be read: ${cause instanceof Error ? cause.message : "unreadable"}`, cause);
  }
}

function invalid(found: string, cause?: unknown): SpiffeError {
  return new SpiffeError(
    "MCA_TRUST_FILE_INVALID",
    `The trust file cannot be used: ${found}. Export it again with \`npx mesh-ca bundle export --format mesh-ca\`.`,
    { cause, details: { found } },
  );
}
