// The text of join tokens: exact in both directions, bounded, and silent about the secret.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { inspect } from "node:util";
import fc from "fast-check";
import {
  encodeJoinToken,
  type JoinTokenFields,
  parseJoinToken,
  SpiffeError,
  TrustDomain,
} from "../../src/spiffe/index.ts";

const fields: JoinTokenFields = {
  trustDomain: TrustDomain.parse("example.test"),
  server: "ca.example.test:8443",
  pins: ["0".repeat(64), "f".repeat(64)],
  secret: new Uint8Array(32).fill(7),
};
const text = encodeJoinToken(fields);
const encode = (value: unknown): string => `mcajt1.${Buffer.from(JSON.stringify(value)).toString("base64url")}`;
const members = JSON.parse(Buffer.from(text.slice(7), "base64url").toString());

function refuses(candidate: string): void {
  assert.throws(
    () => parseJoinToken(candidate),
    (error: unknown) => {
      assert.ok(error instanceof SpiffeError && error.code === "MCA_TOKEN_MALFORMED");
      // Neither the message nor the cause repeats what was read.
      assert.equal(inspect(error).includes(members.secret), false);
      return true;
    },
    candidate.slice(0, 80),
  );
}

test("a token is mcajt1. and base64url of {v, td, server, pins, secret}, and is read back", () => {
  assert.match(text, /^mcajt1\.[A-Za-z0-9_-]+$/);
  assert.deepEqual(members, {
    v: 1,
    td: "example.test",
    server: "ca.example.test:8443",
    pins: fields.pins,
    secret: Buffer.from(fields.secret).toString("base64url"),
  });
  const token = parseJoinToken(text);
  assert.equal(token.trustDomain.name, "example.test");
  assert.equal(token.server, fields.server);
  assert.deepEqual(token.pins, fields.pins);
  assert.deepEqual(token.secret, fields.secret);
  assert.deepEqual(Buffer.from(token.secretSha256), createHash("sha256").update(fields.secret).digest());
  assert.deepEqual(parseJoinToken(` ${text}\r\n`).secret, fields.secret);
});

test("the longest token that can be made can be read", () => {
  const pins = Array.from({ length: 32 }, (_, i) => i.toString(16).padStart(64, "0"));
  const longest = encodeJoinToken({
    trustDomain: TrustDomain.parse("a".repeat(255)),
    server: `${"a".repeat(253)}:65535`,
    pins,
    secret: fields.secret,
  });
  assert.deepEqual(parseJoinToken(longest).pins, pins);
});

test("servers are host names, IPv4 and bracketed IPv6 addresses with a port", () => {
  for (const server of ["localhost:1", "127.0.0.1:65535", "[::1]:8443", "[fe80::1:2.3.4.5]:8443", "a-b.c:443"]) {
    assert.equal(parseJoinToken(encodeJoinToken({ ...fields, server })).server, server);
  }
  for (const server of [
    "",
    "localhost",
    "localhost:",
    "localhost:0",
    "localhost:65536",
    "::1:8443",
    "a b:1",
    "a:1/x",
    "user@a:1",
    "[::1]",
  ]) {
    assert.throws(() => encodeJoinToken({ ...fields, server }), { code: "MCA_TOKEN_MALFORMED" }, server);
    refuses(encode({ ...members, server }));
  }
});

test("what is cut, wrapped, changed or of another version is refused", () => {
  for (const candidate of [
    "",
    "mcajt1.",
    "mcajt2.AAAA",
    text.slice(1),
    text.slice(0, -4),
    `${text}A`,
    `${text}=`,
    text.toUpperCase(),
    `${text.slice(0, 40)}\n${text.slice(40)}`,
    `mcajt1.${Buffer.from("[]").toString("base64url")}`,
    `mcajt1.${Buffer.from("{}").toString("base64url")}`,
    `mcajt1.${Buffer.from([0xff, 0xfe]).toString("base64url")}`,
    `mcajt1.${Buffer.from(`\ufeff${JSON.stringify(members)}`).toString("base64url")}`,
    `mcajt1.${Buffer.from(JSON.stringify(members).replace("}", ',"v":1}')).toString("base64url")}`,
    "a".repeat(5_000),
    `${text}${" ".repeat(5_000)}`,
  ]) {
    refuses(candidate);
  }
  for (const name of Object.keys(members)) {
    const { [name]: _, ...rest } = members;
    refuses(encode(rest));
  }
  for (const change of [
    { v: 2 },
    { v: "1" },
    { extra: true },
    { td: "Example.test" },
    { td: 1 },
    { pins: [] },
    { pins: "0".repeat(64) },
    { pins: ["0".repeat(63)] },
    { pins: ["F".repeat(64)] },
    { pins: ["0".repeat(64), "0".repeat(64)] },
    { pins: [1] },
    { pins: Array.from({ length: 33 }, (_, i) => i.toString(16).padStart(64, "0")) },
    { secret: "AAAA" },
    { secret: `${members.secret}=` },
    { secret: `${members.secret}AA` },
    { secret: 5 },
  ]) {
    refuses(encode({ ...members, ...change }));
  }
});

test("another prefix is refused, and one pin is enough", () => {
  refuses(`mcajt2.${text.slice(7)}`);
  refuses(text.slice(7));
  const [pin = ""] = fields.pins;
  assert.deepEqual(parseJoinToken(encodeJoinToken({ ...fields, pins: [pin] })).pins, [pin]);
});

test("any other text is refused with MCA_TOKEN_MALFORMED", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), fc.boolean(), fc.boolean(), (noise, prefixed, encoded) => {
      refuses((prefixed ? "mcajt1." : "") + (encoded ? Buffer.from(noise).toString("base64url") : noise));
    }),
  );
});

test("printing a token, or serialising it, never shows the secret", () => {
  const token = parseJoinToken(text);
  const secrets = [members.secret, Buffer.from(fields.secret).toString("hex"), "7, 7, 7", text.slice(7)];
  for (const shown of [
    String(token),
    JSON.stringify({ token }),
    inspect({ token }),
    inspect(token, { showHidden: true }),
  ]) {
    assert.match(shown, /\[join token for example\.test at ca\.example\.test:8443\]/);
    for (const secret of secrets) assert.equal(shown.includes(secret), false);
  }
});

test("a token keeps its own copy of the secret", () => {
  const token = parseJoinToken(text);
  token.secret.fill(0);
  assert.deepEqual(token.secret, fields.secret);
});
