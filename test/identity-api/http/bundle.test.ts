// GET /v1/bundle over real HTTPS: the document, its entity tag, how long it may be kept, and what is answered to anything else.
import assert from "node:assert/strict";
import { test } from "node:test";
import { ApiError } from "../../../src/identity-api/api-error.ts";
import { isKnownToClient } from "../../../src/identity-api/http/bundle-document.ts";
import { publishedTrust } from "../../../src/identity-api/http/published-trust.ts";
import { encodeTrustBundle, publishedAnchors, TrustDomain, type TrustSet } from "../../../src/spiffe/index.ts";
import { createRoot } from "../../support/pki.ts";
import { type Answer, ask, startWeb, trustWith } from "./https-support.ts";

const first = createRoot({ subject: "First", notBefore: Date.now() - 7_200_000 });
const second = createRoot({ subject: "Second", notBefore: Date.now() - 3_600_000 });
const third = createRoot({ subject: "Third", notBefore: Date.now() - 3_600_000 });

function expectError(answer: Answer, status: number, code: string): void {
  assert.equal(answer.status, status);
  assert.equal(answer.headers["content-type"], "application/json");
  assert.equal(answer.headers["cache-control"], "no-store");
  assert.equal(answer.headers["connection"], "close");
  const { json } = answer;
  assert.ok(typeof json === "object" && json !== null && "code" in json && "sentence" in json);
  assert.equal(json.code, code);
  assert.ok(typeof json.sentence === "string" && json.sentence.length > 20);
  assert.deepEqual(Object.keys(json), ["code", "sentence"]);
}

test("the bundle is JSON that may be kept as long as its refresh hint says", async () => {
  const trust = trustWith([first, second], 7n, 42);
  await using web = await startWeb({ trust: () => trust });
  const answer = await ask(web.port);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers["content-type"], "application/json");
  assert.equal(answer.headers["cache-control"], "public, max-age=42");
  assert.equal(answer.body.toString("utf8"), encodeTrustBundle(trust));
  assert.equal(answer.headers["content-length"], String(answer.body.length));
  assert.equal(answer.headers["set-cookie"], undefined);
  assert.equal(answer.headers["location"], undefined);
});

test("who has the newest bundle gets 304, and the new one when it has changed", async () => {
  let trust = trustWith([first], 1n);
  await using web = await startWeb({ trust: () => trust });
  const { headers, body } = await ask(web.port);
  const etag = String(headers["etag"]);
  assert.match(etag, /^"[A-Za-z0-9_-]{43}"$/);
  for (const known of [etag, `W/${etag}`, `"other", ${etag}`, "*"]) {
    const again = await ask(web.port, "/v1/bundle", { headers: { "if-none-match": known } });
    assert.equal(again.status, 304, known);
    assert.equal(again.body.length, 0);
    assert.equal(again.headers["etag"], etag);
    assert.equal(again.headers["cache-control"], "public, max-age=300");
  }
  trust = trustWith([first, second], 2n);
  const changed = await ask(web.port, "/v1/bundle", { headers: { "if-none-match": etag } });
  assert.equal(changed.status, 200);
  assert.notEqual(changed.headers["etag"], etag);
  assert.notDeepEqual(changed.body, body);
});

test("entity tags are compared whole, one by one", () => {
  assert.equal(isKnownToClient(undefined, '"a"'), false);
  for (const known of ['"a"', 'W/"a"', ' "b" , "a"', "*"]) assert.equal(isKnownToClient(known, '"a"'), true, known);
  for (const other of ["a", '"A"', '"aa"', "", ",", 'w/"a"', '"*"', "**"]) {
    assert.equal(isKnownToClient(other, '"a"'), false, other);
  }
});

test("replicas that learned the anchors in another order give the same bytes and the same entity tag", async () => {
  const one = trustWith([first, second, third]);
  const other = trustWith([third, second, first]);
  assert.equal(encodeTrustBundle(one), encodeTrustBundle(other));
  assert.equal(publishedAnchors(other)[0]?.sha256, first.certificate.sha256);
  await using web = await startWeb({ trust: () => one });
  await using replica = await startWeb({ trust: () => other });
  assert.equal((await ask(web.port)).headers["etag"], (await ask(replica.port)).headers["etag"]);
});

test("HEAD tells the same headers without the body; nothing but GET and HEAD is taken", async () => {
  await using web = await startWeb();
  const got = await ask(web.port);
  const head = await ask(web.port, "/v1/bundle", { method: "HEAD" });
  assert.equal(head.status, 200);
  assert.equal(head.body.length, 0);
  for (const name of ["etag", "cache-control", "content-type", "content-length"]) {
    assert.equal(head.headers[name], got.headers[name], name);
  }
  for (const method of ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "QUERY"]) {
    const answer = await ask(web.port, "/v1/bundle", { method });
    expectError(answer, 405, "MCA_METHOD_NOT_ALLOWED");
    assert.equal(answer.headers["allow"], "GET, HEAD", method);
  }
});

test("a query changes nothing; other paths are unknown, whatever is asked of them", async () => {
  await using web = await startWeb();
  assert.equal((await ask(web.port, "/v1/bundle?format=pem")).status, 200);
  for (const path of [
    "/",
    "/v1/bundle/",
    "/v1/BUNDLE",
    "/v1",
    "/v1/bundle/../bundle",
    "/readyz",
    "/metrics",
    "/healthz",
  ]) {
    expectError(await ask(web.port, path), 404, "MCA_NOT_FOUND");
  }
  expectError(await ask(web.port, "/v1/nothing", { method: "POST", body: "{}" }), 404, "MCA_NOT_FOUND");
  expectError(await ask(web.port, "/%zz"), 400, "MCA_REQUEST_INVALID");
});

test("a request with a body is refused, however it is announced", async () => {
  await using web = await startWeb();
  for (const headers of [{ "content-length": "2" }, { "transfer-encoding": "chunked" }]) {
    expectError(await ask(web.port, "/v1/bundle", { headers, body: "{}" }), 400, "MCA_REQUEST_INVALID");
  }
  assert.equal((await ask(web.port, "/v1/bundle", { headers: { "content-length": "0" } })).status, 200);
});

test("while there is nothing to tell it says so and when to ask again; a fault of ours tells nothing of the inside", async () => {
  let failure: Error = new ApiError(
    "MCA_BUNDLE_UNAVAILABLE",
    "This trust domain has no authority yet: ask again later.",
  );
  await using web = await startWeb({
    trust: () => {
      throw failure;
    },
  });
  const waiting = await ask(web.port);
  expectError(waiting, 503, "MCA_BUNDLE_UNAVAILABLE");
  assert.equal(waiting.headers["retry-after"], "30");
  assert.match(waiting.body.toString("utf8"), /no authority yet/);
  assert.equal(waiting.headers["etag"], undefined);
  failure = new Error("password=secret");
  const broken = await ask(web.port);
  expectError(broken, 500, "MCA_INTERNAL");
  assert.doesNotMatch(broken.body.toString("utf8"), /secret/);
  assert.equal(web.log.lines.filter(({ fields }) => fields["event"] === "https.failed").length, 1);
});

test("requests are counted by status", async () => {
  await using web = await startWeb();
  await ask(web.port);
  await ask(web.port, "/nothing");
  const text = await web.metrics();
  assert.match(text, /mesh_ca_https_requests_total\{status="200"\} 1/);
  assert.match(text, /mesh_ca_https_requests_total\{status="404"\} 1/);
  assert.match(text, /mesh_ca_https_connections\{?\}? \d/);
});

const issued = { issued: {} };
type Sources = Parameters<typeof publishedTrust>[0]["authorities"];

function sources(records: readonly object[], trust: TrustSet = trustWith([])): Sources {
  return {
    trustDomain: TrustDomain.parse("example.test"),
    records: () => records as unknown as ReturnType<Sources["records"]>,
    trustSet: () => trust,
  };
}

test("an empty bundle says that all is revoked: it is told only where there was something to revoke", () => {
  const unavailable = { code: "MCA_BUNDLE_UNAVAILABLE" };
  for (const records of [[], [{ issued: undefined }]]) {
    assert.throws(() => publishedTrust({ authorities: sources(records), trustDomain: "example.test" }), unavailable);
  }
  const { anchors } = publishedTrust({ authorities: sources([issued]), trustDomain: "example.test" });
  assert.deepEqual(anchors, []);
});

test("a bundle names no trust domain, so that another one's is never told in its place", () => {
  const authorities = sources([issued], trustWith([first]));
  assert.throws(() => publishedTrust({ authorities, trustDomain: "other.test" }), { code: "MCA_BUNDLE_UNAVAILABLE" });
});
