import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { parseRequests } from "../../support/parsed-streams.ts";

test("a pipeline of requests is read as its messages, each with its body and trailers", () => {
  const stream =
    "POST /a?b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n00\r\nX-T:  1 \r\n\r\n" +
    "GET / HTTP/1.1\r\nhost:y\r\nE:\r\n\r\n" +
    "PUT / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc";
  const parsed = parseRequests(stream);
  strictEqual(parsed.refusal, undefined);
  deepStrictEqual(
    parsed.messages.map(({ head, body, trailers }) => [head.method, head.target, head.framing, body, trailers]),
    [
      ["POST", "/a?b", { kind: "open" }, "hello", ["x-t", "1"]],
      ["GET", "/", { kind: "none" }, "", []],
      ["PUT", "/", { kind: "length", bytes: 3 }, "abc", []],
    ],
  );
  deepStrictEqual(parsed.messages[1]?.head.fields, ["host", "y", "e", ""]);
  for (const size of [1, 2, 3, 7]) deepStrictEqual(parseRequests(stream, { sizes: [size] }), parsed);
});
