// What outsiders say goes into the access log: it must never make a line of its own, steer a terminal, hide what follows it, or fill
// the disk. The oracle is JSON.parse and the bytes of the line.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { connectionLine, exchangeLine, MAX_LINE_BYTES } from "../../src/proxy-tls/observe/access-line.ts";
import { jsonText } from "../../src/proxy-tls/observe/json-text.ts";
import { connectionRecord, exchangeRecord } from "../proxy-tls/support/records.ts";

const HOSTILE = [
  '/a\r\n{"level":"info","event":"proxy.request","status":200}',
  '/a","decision":{"effect":"allow"},"x":"',
  "/a\\",
  '/a\\","forged":true',
  "/\u001b[2J\u001b]0;owned\u0007",
  "/\u009b31m\u0090\u007f\u0000",
  "/\u202egnp.exe\u2028\u2029\ufeff",
  "/\ud800half\udfff",
  Buffer.from([0x2f, 0xff, 0xfe, 0xc3, 0x28]).toString("latin1"),
  Buffer.from([0x2f, 0xff, 0xfe, 0xc3, 0x28]).toString("utf8"),
  "/__proto__",
];

/** One line, printable ASCII only, ending in the one line break. */
function assertHarmless(line: string): void {
  assert.match(line, /^\{[\x20-\x7e]*\}\n$/);
  assert.equal(Buffer.byteLength(line), line.length);
}

test("hostile text in every field that outsiders fill stays within its field", () => {
  for (const text of HOSTILE) {
    const record = exchangeRecord({
      ...{
        method: text,
        authority: text,
        target: text,
        requestId: text,
        traceId: text,
        peer: text,
        upstreamPeer: text,
      },
      ...{ remoteAddress: text, upstream: text, listener: text },
    });
    const line = exchangeLine(record);
    assertHarmless(line);
    const said = JSON.parse(line);
    assert.equal(said.decision.effect, "allow");
    for (const name of ["method", "authority", "target", "requestId", "traceId", "peer", "upstreamPeer"]) {
      assert.equal(said[name], text, name);
    }
    assert.equal("forged" in said, false);

    const ended = connectionLine(connectionRecord({ peer: text, remoteAddress: text, upstream: text }), 0);
    assertHarmless(ended);
    assert.equal(JSON.parse(ended).peer, text);
  }
});

test("any text comes back from its JSON as it was, and never leaves printable ASCII", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
      const quoted = jsonText(text, Number.POSITIVE_INFINITY);
      assert.match(quoted, /^"[\x20-\x7e]*"$/);
      assert.equal(JSON.parse(quoted), text);
    }),
    { numRuns: 2_000 },
  );
});

test("a cut never breaks an escape, and keeps what is before it", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 60 }), fc.nat(80), (text, limit) => {
      const quoted = jsonText(text, limit);
      assert.ok(quoted.length <= limit + 2);
      const back: unknown = JSON.parse(quoted);
      assert.ok(typeof back === "string" && text.startsWith(back));
    }),
    { numRuns: 2_000 },
  );
});

test("a target of 64 KiB, plain or of escapes only, leaves a line that a pipe takes whole and says how long it was", () => {
  for (const unit of ["a", "\u0001", '"', "\u00ff"]) {
    const target = `/${unit.repeat(65_535)}`;
    const long = { authority: "h".repeat(5_000), requestId: "i".repeat(5_000), method: "M".repeat(5_000) };
    for (const record of [exchangeRecord({ target }), exchangeRecord({ target, ...long })]) {
      const line = exchangeLine(record);
      assertHarmless(line);
      assert.ok(line.length <= MAX_LINE_BYTES, `${line.length} bytes`);
      const said = JSON.parse(line);
      assert.equal(said.targetLength, 65_536);
      assert.ok(target.startsWith(said.target) && said.target.length > 40);
      assert.equal(said.decision.policy, "web-may-call", "what was decided is never pushed out");
      assert.equal(said.msg, "request");
    }
  }
});

test("a target that is told whole has no length beside it, and its query of another length is not hidden by escapes", () => {
  assert.equal("targetLength" in JSON.parse(exchangeLine(exchangeRecord({ target: '/"'.repeat(20) }))), false);
});

test("SPIFFE IDs are told whole, however long", () => {
  const peer = `spiffe://mesh.example/${"a".repeat(2_020)}`;
  assert.equal(JSON.parse(exchangeLine(exchangeRecord({ peer }))).peer, peer);
});

test("whatever a record holds, its line is one line of JSON that a pipe takes whole and that says what was decided", () => {
  const text = fc.option(fc.string({ unit: "binary", maxLength: 6_000 }), { nil: undefined });
  const id = fc.option(fc.constantFrom("spiffe://a/b", `spiffe://a/${"b".repeat(500)}`), { nil: undefined });
  const record = fc.record({
    ...{ method: text, authority: text, target: text, requestId: text, traceId: text, remoteAddress: text },
    ...{ upstream: text, peer: id, upstreamPeer: id },
    status: fc.option(fc.integer({ min: 100, max: 599 }), { nil: undefined }),
    durationMs: fc.double({ min: 0, max: 1e9, noNaN: true }),
    addedMs: fc.option(fc.double({ min: 0, max: 1e6, noNaN: true }), { nil: undefined }),
    requestBytes: fc.maxSafeNat(),
    responseBytes: fc.maxSafeNat(),
  });
  fc.assert(
    fc.property(record, (changes) => {
      const line = exchangeLine(exchangeRecord(changes));
      assertHarmless(line);
      assert.ok(line.length <= MAX_LINE_BYTES, `${line.length} bytes`);
      const said = JSON.parse(line);
      assert.equal(said.decision.policy, "web-may-call");
      assert.equal(said.status, changes.status);
      assert.equal(said.peer, changes.peer);
      assert.equal(said.requestBytes, changes.requestBytes);
      assert.ok(changes.target === undefined || changes.target.startsWith(said.target));
    }),
    { numRuns: 500 },
  );
});
