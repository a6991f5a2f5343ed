// Heads of HTTP/2 as lists: what is refused here although src/http2 refuses it before, and where a response ends.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readRequestHead, readResponseHead } from "../../../../src/proxy-tls/http/h2/heads.ts";
import { refusalOf } from "../../support/refusal.ts";

describe("A response's head", () => {
  const framingOf = (method: string, status: string, ...fields: string[]) =>
    readResponseHead([":status", status, ...fields], false, method).framing;

  test("says nothing of a body where none may be, but the length that GET would have had", () => {
    for (const [method, status] of [
      ["HEAD", "200"],
      ["GET", "304"],
      ["HEAD", "404"],
    ] as const) {
      assert.deepEqual(framingOf(method, status), { kind: "none" });
      assert.deepEqual(framingOf(method, status, "content-length", "7"), { kind: "length", bytes: 7 });
    }
    assert.deepEqual(framingOf("GET", "204"), { kind: "none" });
    assert.deepEqual(framingOf("GET", "200"), { kind: "open" });
    assert.deepEqual(framingOf("HEADER", "200"), { kind: "open" });
  });

  test("is 502 with a length in 1xx or 204, and with one that is none", () => {
    for (const status of ["100", "103", "204"]) {
      for (const length of ["0", "5"]) {
        assert.deepEqual(
          refusalOf(() => framingOf("GET", status, "content-length", length)),
          [502, "framing-in-bodyless"],
        );
      }
    }
    for (const length of ["", "+5", "05", "5, 5"]) {
      assert.deepEqual(
        refusalOf(() => framingOf("GET", "200", "content-length", length)),
        [502, "length-value"],
      );
    }
  });

  test("is 502 without a status of three digits first", () => {
    for (const raw of [
      [],
      ["x-a", "1", ":status", "200"],
      [":status", "20"],
      [":status", "0200"],
      [":status", "2x0"],
    ]) {
      assert.deepEqual(
        refusalOf(() => readResponseHead(raw, true, "GET")),
        [502, "status"],
      );
    }
    for (const status of ["099", "600", "+20", " 20"]) {
      assert.deepEqual(
        refusalOf(() => framingOf("GET", status)),
        [502, "status"],
      );
    }
  });
});

describe("A request's head", () => {
  const head = (...raw: string[]) => readRequestHead(raw, true, "https");
  const PSEUDO = [":method", "GET", ":path", "/", ":authority", "a.test"];

  test("is 400 with another scheme than the listener's, with none, and with a pseudo-field that nobody knows", () => {
    for (const scheme of [[":scheme", "http"], [":scheme", "HTTPS"], [":scheme", "https://evil.test/?"], []]) {
      assert.deepEqual(
        refusalOf(() => head(...PSEUDO, ...scheme)),
        [400, "scheme"],
      );
    }
    for (const name of [":protocol", ":status", ":"]) {
      assert.deepEqual(
        refusalOf(() => head(...PSEUDO, ":scheme", "https", name, "x")),
        [400, "pseudo-field"],
      );
    }
    assert.equal(head(...PSEUDO, ":scheme", "https").authority, "a.test");
  });

  test("is 400 where it has two lengths, one that is none, or a transfer-encoding beside it", () => {
    for (const [reason, ...fields] of [
      ["two-lengths", "content-length", "5", "content-length", "5"],
      ["length-value", "content-length", "5,5"],
      ["length-and-chunked", "content-length", "5", "transfer-encoding", "chunked"],
      ["transfer-encoding", "transfer-encoding", "identity"],
    ] as const) {
      assert.deepEqual(
        refusalOf(() => head(...PSEUDO, ":scheme", "https", ...fields)),
        [400, reason],
      );
    }
  });
});
