// Bad input gets its code, a sentence that says what to do and a log line; the server stays up and others are served.
import assert from "node:assert/strict";
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { connect as connectHttp2 } from "node:http2";
import { after, before, test } from "node:test";
import { status } from "@grpc/grpc-js";
import { createCsr } from "../../src/x509/index.ts";
import {
  closeClients,
  connect,
  createToken,
  enrol,
  issue,
  newKey,
  refusal,
  startTestServer,
  type TestServer,
} from "./fixture.ts";

let on: TestServer;
before(async () => {
  on = await startTestServer();
});
after(async () => {
  closeClients();
  await on.close();
});

const rsa = (modulusLength: number, publicExponent = 65537): KeyObject =>
  generateKeyPairSync("rsa", { modulusLength, publicExponent }).privateKey;
const ec = (namedCurve: string): KeyObject => generateKeyPairSync("ec", { namedCurve }).privateKey;

function damaged(csr: Uint8Array, at: number): Uint8Array {
  const copy = new Uint8Array(csr);
  copy[at < 0 ? copy.length + at : at] = (copy[at < 0 ? copy.length + at : at] ?? 0) ^ 0x01;
  return copy;
}

const good = createCsr({ key: newKey() });
const cases: readonly [string, () => Uint8Array, string][] = [
  ["an empty CSR", () => new Uint8Array(), "MCA_CSR_MALFORMED"],
  ["random bytes as CSR", () => randomBytes(300), "MCA_CSR_MALFORMED"],
  ["a CSR with bytes after its end", () => Buffer.concat([good, Buffer.from([0])]), "MCA_CSR_MALFORMED"],
  ["a CSR cut short", () => good.subarray(0, -1), "MCA_CSR_MALFORMED"],
  ["a CSR over 16 KiB", () => new Uint8Array(17_000), "MCA_CSR_TOO_LARGE"],
  ["a CSR whose proof of possession is wrong", () => damaged(good, -1), "MCA_CSR_SIGNATURE_INVALID"],
  ["an RSA key of 1,024 bits", () => createCsr({ key: rsa(1024) }), "MCA_CSR_KEY_REFUSED"],
  ["an RSA key with exponent 3", () => createCsr({ key: rsa(2048, 3) }), "MCA_CSR_KEY_REFUSED"],
  ["a P-521 key", () => createCsr({ key: ec("P-521") }), "MCA_CSR_KEY_REFUSED"],
  [
    "a CSR that names another SPIFFE ID",
    () => createCsr({ key: newKey(), uriSans: ["spiffe://example.test/other"] }),
    "MCA_CSR_SPIFFE_ID_MISMATCH",
  ],
  [
    "a CSR with two URI names",
    () => createCsr({ key: newKey(), uriSans: ["spiffe://example.test/bad-input", "https://x.test"] }),
    "MCA_CSR_URI_SANS",
  ],
];

for (const [what, csr, code] of cases) {
  test(`${what} is refused with ${code}, and the token is not used up`, async () => {
    const value = await createToken(on.server, { service: "bad-input" });
    const client = connect(on.address);
    const error = await refusal(issue(client, { csr: csr(), evidence: { $case: "joinToken", value } }));
    assert.equal(error.mca, code, error.details);
    assert.ok(error.details.length > 20, "a sentence that says what to do");
    assert.ok(on.log.of("call.refused").some((line) => line["code"] === code));
    const response = await issue(client, {
      csr: createCsr({ key: newKey() }),
      evidence: { $case: "joinToken", value },
    });
    assert.equal(response.spiffeId, "spiffe://example.test/bad-input");
  });
}

for (const [what, key] of [
  ["P-256", ec("P-256")],
  ["P-384", ec("P-384")],
  ["RSA 2048", rsa(2048)],
  ["Ed25519", generateKeyPairSync("ed25519").privateKey],
] as const) {
  test(`a ${what} key is taken`, async () => {
    const value = await createToken(on.server, { service: "good-keys" });
    const csr = createCsr({ key: createPrivateKey(key.export({ type: "pkcs8", format: "pem" })) });
    await issue(connect(on.address), { csr, evidence: { $case: "joinToken", value } });
  });
}

const b64 = (value: object | string): string =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

test("tokens that are no tokens, of strangers, unknown or expired: each has its code", async () => {
  const client = connect(on.address);
  const csr = createCsr({ key: newKey() });
  const ask = (value: string) => refusal(issue(client, { csr, evidence: { $case: "joinToken", value } }));
  assert.equal((await ask("nonsense")).mca, "MCA_TOKEN_MALFORMED");
  assert.equal((await ask("mcajt1.AAAA")).mca, "MCA_TOKEN_MALFORMED");
  const foreign = {
    v: 1,
    td: "other.test",
    server: "ca.other.test:8443",
    pins: ["00".repeat(32)],
    secret: b64("x".repeat(32)),
  };
  assert.equal((await ask(`mcajt1.${b64(foreign)}`)).mca, "MCA_TOKEN_FOREIGN");
  assert.equal((await ask(`mcajt1.${b64({ ...foreign, td: "example.test" })}`)).mca, "MCA_TOKEN_UNKNOWN");
});

test("a join token that expired is refused", async () => {
  const value = await createToken(on.server, { service: "late" }, 1);
  await new Promise((resolve) => setTimeout(resolve, 1_200));
  const error = await refusal(
    issue(connect(on.address), { csr: createCsr({ key: newKey() }), evidence: { $case: "joinToken", value } }),
  );
  assert.equal(error.mca, "MCA_TOKEN_EXPIRED");
});

test("evidence that no rule knows earns nothing", async () => {
  const value = await createToken(on.server, { unknown: "x" });
  const error = await refusal(
    issue(connect(on.address), { csr: createCsr({ key: newKey() }), evidence: { $case: "joinToken", value } }),
  );
  assert.equal(error.mca, "MCA_NO_RULE_MATCHES");
});

test("an attribute that would inject path segments is refused, not sanitized", async () => {
  const error = await refusal(
    createToken(on.server, { service: "a/../mesh-ca/server" }).then((value) =>
      issue(connect(on.address), { csr: createCsr({ key: newKey() }), evidence: { $case: "joinToken", value } }),
    ),
  );
  assert.match(error.mca, /^MCA_(?:RULE_ATTRIBUTE_REFUSED|NO_RULE_MATCHES|TOKEN_INVALID)$/);
});

test("a JWT for which no attestor is configured is refused", async () => {
  const evidence = { $case: "jwt", value: { token: `${b64({ alg: "none" })}.${b64({})}.`, attestor: "" } } as const;
  const error = await refusal(issue(connect(on.address), { csr: createCsr({ key: newKey() }), evidence }));
  assert.match(error.mca, /^MCA_(?:JWT|ATTESTOR)_/);
});

test("a message over 64 KiB is refused, and the same connection goes on", async () => {
  const client = connect(on.address);
  const error = await refusal(issue(client, { csr: new Uint8Array(70_000) }));
  assert.equal(error.mca, "MCA_MESSAGE_TOO_LARGE");
  assert.equal(error.code, status.RESOURCE_EXHAUSTED);
  const value = await createToken(on.server, { service: "after-large" });
  await issue(client, { csr: createCsr({ key: newKey() }), evidence: { $case: "joinToken", value } });
});

test("a caller that speaks no TLS, or HTTP/2 without TLS, is closed and others are served", async () => {
  const session = connectHttp2(`http://${on.address}`);
  session.on("error", () => {});
  await new Promise<void>((resolve) => session.on("close", () => resolve()));
  await enrol(on, "after-plain");
});

test("a caller whose deadline is over gets DEADLINE_EXCEEDED", async () => {
  const client = connect(on.address, await enrol(on, "hurried"));
  const error = await refusal(issue(client, { csr: createCsr({ key: newKey() }) }, { timeoutMs: 1 }));
  assert.equal(error.code, status.DEADLINE_EXCEEDED);
});

test("a wished lifetime that is too short is refused, one that is too long is shortened with the reason", async () => {
  const value = await createToken(on.server, { service: "ttl" });
  const ask = (ttlSeconds: number) =>
    issue(connect(on.address), {
      csr: createCsr({ key: newKey() }),
      evidence: { $case: "joinToken", value },
      ttlSeconds,
    });
  assert.equal((await refusal(ask(1))).mca, "MCA_TTL_TOO_SHORT");
  const response = await ask(10_000_000);
  assert.match(response.shortenedBy, /services/);
});
