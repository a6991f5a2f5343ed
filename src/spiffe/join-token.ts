// The text of a join token: `mcajt1.` and base64url of JSON {v, td, server, pins, secret}. It tells a workload where its
// server is, which authorities to accept behind it, and the secret to send once that is verified. Reading is bounded and
// strict. The secret never appears in a print-out, a log line or an error; only `encodeJoinToken` writes it.
import { createHash } from "node:crypto";
import { inspect } from "node:util";
import { decodeBase64Url, encodeBase64Url } from "./base64.ts";
import { SpiffeError } from "./errors.ts";
import { type JsonObject, type JsonValue, parseJson } from "./json.ts";
import { TrustDomain } from "./trust-domain.ts";

const PREFIX = "mcajt1.";
const VERSION = 1n;
const MAX_CHARS = 4096;
/** The active and the prepared authority of 16 replicas; with them a token stays within MAX_CHARS. */
export const MAX_PINS = 32;
const SECRET_BYTES = 32;
const PIN = /^[0-9a-f]{64}$/;
// host:port; an IPv6 address stands in brackets.
const SERVER = /^(?:[A-Za-z0-9._-]{1,253}|\[[0-9a-fA-F:.]{2,45}\]):([0-9]{1,5})$/;
const MEMBERS = new Set(["v", "td", "server", "pins", "secret"]);

export interface JoinTokenFields {
  readonly trustDomain: TrustDomain;
  /** `host:port` of the server's gRPC listener; an IPv6 address in brackets. */
  readonly server: string;
  /** Lower-case hex of the SPKI SHA-256 of each prepared and active authority; 1 to 32. */
  readonly pins: readonly string[];
  /** 32 random bytes. */
  readonly secret: Uint8Array;
}

/** A join token that was read. Printing or serialising it does not show the secret. */
export class JoinToken {
  readonly trustDomain: TrustDomain;
  readonly server: string;
  readonly pins: readonly string[];
  readonly #secret: Uint8Array;

  constructor(fields: JoinTokenFields) {
    checkFields(fields);
    this.trustDomain = fields.trustDomain;
    this.server = fields.server;
    this.pins = [...fields.pins];
    this.#secret = fields.secret.slice();
  }

  /** The secret itself: whoever has it can redeem the token. */
  get secret(): Uint8Array {
    return this.#secret.slice();
  }

  /** SHA-256 of the secret: all that a server keeps. */
  get secretSha256(): Uint8Array {
    return new Uint8Array(createHash("sha256").update(this.#secret).digest());
  }

  toString(): string {
    return `[join token for ${this.trustDomain.name} at ${this.server}]`;
  }

  toJSON(): string {
    return this.toString();
  }

  [inspect.custom](): string {
    return this.toString();
  }
}

/**
 * Writes a join token. The result is a secret.
 * @throws SpiffeError MCA_TOKEN_MALFORMED when a field is outside its bounds
 */
export function encodeJoinToken(fields: JoinTokenFields): string {
  checkFields(fields);
  const json = JSON.stringify({
    v: Number(VERSION),
    td: fields.trustDomain.name,
    server: fields.server,
    pins: fields.pins,
    secret: encodeBase64Url(fields.secret),
  });
  return PREFIX + encodeBase64Url(new TextEncoder().encode(json));
}

/**
 * Reads the text of a join token; white space around it (a file's last newline) is ignored.
 * @throws SpiffeError MCA_TOKEN_MALFORMED; the message never repeats the text
 */
export function parseJoinToken(text: string): JoinToken {
  if (text.length > MAX_CHARS) throw malformed(`it is longer than ${MAX_CHARS} characters`);
  const trimmed = text.trim();
  if (!trimmed.startsWith(PREFIX)) throw malformed(`it does not begin with ${PREFIX}`);
  const bytes = decodeBase64Url(trimmed.slice(PREFIX.length));
  if (bytes === undefined) throw malformed("what follows the prefix is not base64url: was it cut or wrapped?");
  const members = parseMembers(bytes);
  if (members.get("v") !== VERSION) throw malformed("its version is not 1: was it made by a newer mesh-ca?");
  for (const name of members.keys()) {
    if (!MEMBERS.has(name)) throw malformed("it has a member that version 1 does not know");
  }
  const secret = decodeBase64Url(parseString(members.get("secret")));
  if (secret === undefined) throw malformed("its secret is not base64url");
  const pins = members.get("pins");
  if (!Array.isArray(pins)) throw malformed("its pins are not a list");
  return new JoinToken({
    trustDomain: parseTrustDomain(parseString(members.get("td"))),
    server: parseString(members.get("server")),
    pins: pins.map(parseString),
    secret,
  });
}

function parseMembers(bytes: Uint8Array): JsonObject {
  let value: JsonValue;
  try {
    value = parseJson(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes), MAX_CHARS);
  } catch {
    // The cause would repeat part of the token.
    throw malformed("it does not hold valid JSON: was it cut?");
  }
  if (!(value instanceof Map)) throw malformed("it does not hold a JSON object");
  return value;
}

function parseString(value: JsonValue | undefined): string {
  if (typeof value !== "string") throw malformed("a member that should be a text is missing or is not a text");
  return value;
}

function parseTrustDomain(name: string): TrustDomain {
  try {
    return TrustDomain.parse(name);
  } catch {
    throw malformed("its trust domain is not valid");
  }
}

function checkFields(fields: JoinTokenFields): void {
  const port = Number(SERVER.exec(fields.server)?.[1] ?? 0);
  if (port < 1 || port > 65535) throw malformed("its server is not host:port");
  if (fields.pins.length < 1 || fields.pins.length > MAX_PINS)
    throw malformed(`it has no pins, or more than ${MAX_PINS}`);
  if (!fields.pins.every((pin) => PIN.test(pin))) throw malformed("a pin is not 64 lower-case hex digits");
  if (new Set(fields.pins).size !== fields.pins.length) throw malformed("a pin stands twice");
  if (fields.secret.length !== SECRET_BYTES) throw malformed(`its secret is not ${SECRET_BYTES} bytes`);
}

function malformed(found: string): SpiffeError {
  return new SpiffeError(
    "MCA_TOKEN_MALFORMED",
    `The join token cannot be read: ${found}. Copy it again exactly as \`npx mesh-ca token create\` printed it.`,
  );
}
