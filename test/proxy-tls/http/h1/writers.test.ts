// What our writers write, read again by node's parser and by ours: the same message, and not an octet more.
import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import fc from "fast-check";
import type { BodyFraming, FieldList, RequestHead } from "../../../../src/proxy-tls/http/exchange.ts";
import type { SafeFields } from "../../../../src/proxy-tls/http/fields/safe-fields.ts";
import { CHUNK_END, chunkHeader, lastChunk } from "../../../../src/proxy-tls/http/h1/chunk-writer.ts";
import {
  writeInterimHead,
  writeRequestHead,
  writeResponseHead,
} from "../../../../src/proxy-tls/http/h1/head-writer.ts";
import { fieldPairs } from "../../support/http1-streams.ts";
import {
  type RequestReader,
  type ResponseReader,
  startRequestReader,
  startResponseReader,
} from "../../support/node-http.ts";
import { parseRequests, parseResponses } from "../../support/parsed-streams.ts";

const NONE: BodyFraming = { kind: "none" };
const OPEN: BodyFraming = { kind: "open" };
// These tests make only fields that the validator would let through.
const safe = (fields: FieldList): SafeFields => fields as SafeFields;
const NO_FIELDS = safe([]);

function requestHead(changes: Partial<RequestHead> = {}): RequestHead {
  return {
    ...{ version: "1.1", method: "GET", target: "/a?b", path: "/a", authority: "shop.example:8080" },
    fields: NO_FIELDS,
    ...{ body: NONE, expectsContinue: false, acceptsTrailers: false, close: false },
    ...changes,
  };
}

function bodyText(framing: BodyFraming, pieces: readonly string[], trailers: FieldList): string {
  if (framing.kind !== "open") return pieces.join("");
  return pieces.map((piece) => chunkHeader(piece.length) + piece + CHUNK_END).join("") + lastChunk(safe(trailers));
}

const bodies = fc.array(fc.string({ unit: fc.nat(255).map((octet) => String.fromCharCode(octet)), minLength: 1 }), {
  maxLength: 4,
});
const framings = fc.constantFrom("length" as const, "open" as const);
const framingOf = (kind: "length" | "open", pieces: readonly string[]): BodyFraming =>
  kind === "open" ? OPEN : { kind, bytes: pieces.join("").length };

describe("requests", () => {
  let node: RequestReader;
  before(async () => {
    node = await startRequestReader();
  });
  after(() => node[Symbol.asyncDispose]());

  test("a head is its line, the host, the fields and the framing, in this order", () => {
    strictEqual(
      writeRequestHead(
        requestHead({ method: "PUT", body: { kind: "length", bytes: 3 }, fields: safe(["a", "1", "a", "2"]) }),
      ),
      "PUT /a?b HTTP/1.1\r\nhost: shop.example:8080\r\na: 1\r\na: 2\r\ncontent-length: 3\r\n\r\n",
    );
    strictEqual(
      writeRequestHead(requestHead({ body: OPEN })),
      "GET /a?b HTTP/1.1\r\nhost: shop.example:8080\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    strictEqual(
      writeRequestHead(requestHead({ body: { kind: "length", bytes: 0 } })),
      "GET /a?b HTTP/1.1\r\nhost: shop.example:8080\r\ncontent-length: 0\r\n\r\n",
    );
    strictEqual(writeRequestHead(requestHead()), "GET /a?b HTTP/1.1\r\nhost: shop.example:8080\r\n\r\n");
  });

  test("the version is ours, whatever the client spoke", () => {
    strictEqual(writeRequestHead(requestHead({ version: "1.0" })).split("\r\n")[0], "GET /a?b HTTP/1.1");
  });

  test("nothing that would end its place in the head is written", () => {
    for (const changes of [
      ...[{ method: "" }, { method: "GET /" }, { method: "get" }, { method: "G\r\n" }],
      ...[
        { target: "" },
        { target: "/ HTTP/1.1\r\nx: y" },
        { target: "/a b" },
        { target: "/\u010a" },
        { target: "/\xe9" },
      ],
      ...[{ authority: "" }, { authority: "a\r\nx: y" }, { authority: "a b" }, { authority: "\u010d\u010a" }],
    ]) {
      throws(() => writeRequestHead(requestHead(changes)), TypeError);
    }
  });

  test("what is written is read again as the same, by node and by us", async () => {
    await fc.assert(
      fc.asyncProperty(fieldPairs, framings, bodies, fieldPairs, async (fields, kind, pieces, trailers) => {
        const head = requestHead({ method: "POST", body: framingOf(kind, pieces) });
        const stream = writeRequestHead({ ...head, fields: safe(fields) }) + bodyText(head.body, pieces, trailers);
        const { messages } = await node.read(stream + stream);
        const [ours] = parseRequests(stream).messages;
        const framing =
          kind === "open" ? ["transfer-encoding", "chunked"] : ["content-length", `${pieces.join("").length}`];
        const expected = {
          ...{ start: "POST /a?b", version: "1.1", fields: ["host", "shop.example:8080", ...fields, ...framing] },
          ...{ body: pieces.join(""), trailers: kind === "open" ? trailers : [] },
        };
        deepStrictEqual(messages, [expected, expected]);
        deepStrictEqual(
          [ours?.head.fields, ours?.body, ours?.trailers],
          [expected.fields, expected.body, expected.trailers],
        );
      }),
      { numRuns: 200 },
    );
  });
});

describe("responses", () => {
  let node: ResponseReader;
  before(async () => {
    node = await startResponseReader();
  });
  after(() => node[Symbol.asyncDispose]());

  test("a head is its line, the fields, the framing and what is said of the connection", () => {
    const length: BodyFraming = { kind: "length", bytes: 7 };
    strictEqual(
      writeResponseHead(200, safe(["a", "1"]), length, "keep-alive", "1.1"),
      "HTTP/1.1 200 OK\r\na: 1\r\ncontent-length: 7\r\n\r\n",
    );
    strictEqual(
      writeResponseHead(404, NO_FIELDS, OPEN, "close", "1.1"),
      "HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n",
    );
    strictEqual(writeResponseHead(299, NO_FIELDS, length, "keep-alive", "1.1").split("\r\n")[0], "HTTP/1.1 299 ");
    strictEqual(writeInterimHead(100, NO_FIELDS), "HTTP/1.1 100 Continue\r\n\r\n");
    strictEqual(writeInterimHead(103, safe(["link", "</a>"])), "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n");
  });

  test("a response without a body says so, where nothing else does: it must not last until the connection ends", () => {
    const write = (status: number, answersHead?: boolean) =>
      writeResponseHead(status, NO_FIELDS, NONE, "keep-alive", "1.1", answersHead);
    strictEqual(write(200), "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    strictEqual(write(200, true), "HTTP/1.1 200 OK\r\n\r\n");
    strictEqual(write(204), "HTTP/1.1 204 No Content\r\n\r\n");
    strictEqual(write(304), "HTTP/1.1 304 Not Modified\r\n\r\n");
  });

  test("the answer to HEAD and 304 may tell a length; 204 tells nothing", () => {
    const length: BodyFraming = { kind: "length", bytes: 7 };
    strictEqual(
      writeResponseHead(200, NO_FIELDS, length, "keep-alive", "1.1", true),
      "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n",
    );
    strictEqual(
      writeResponseHead(304, NO_FIELDS, length, "keep-alive", "1.1"),
      "HTTP/1.1 304 Not Modified\r\ncontent-length: 7\r\n\r\n",
    );
    for (const framing of [length, OPEN]) {
      throws(() => writeResponseHead(204, NO_FIELDS, framing, "close", "1.1"), TypeError);
    }
  });

  test("a body that neither length nor chunks can end is told only together with the connection's end", () => {
    strictEqual(
      writeResponseHead(200, NO_FIELDS, OPEN, "close", "1.0"),
      "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n",
    );
    throws(() => writeResponseHead(200, NO_FIELDS, OPEN, "keep-alive", "1.0"), TypeError);
    strictEqual(
      writeResponseHead(200, NO_FIELDS, { kind: "length", bytes: 1 }, "keep-alive", "1.0"),
      "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive\r\n\r\n",
    );
  });

  test("what is no status is not written", () => {
    for (const status of [0, 99, 600, 200.5, Number.NaN]) {
      throws(() => writeResponseHead(status, NO_FIELDS, NONE, "close", "1.1"), TypeError);
    }
  });

  test("what is written is read again as the same, by node and by us", async () => {
    await fc.assert(
      fc.asyncProperty(
        ...([fc.constantFrom(200, 201, 299, 404, 502, 599), fieldPairs, framings, bodies, fieldPairs] as const),
        async (status, fields, kind, pieces, trailers) => {
          const framing = framingOf(kind, pieces);
          const stream =
            writeInterimHead(103, safe(fields)) +
            writeResponseHead(status, safe(fields), framing, "keep-alive", "1.1") +
            bodyText(framing, pieces, trailers);
          const read = await node.read(stream, "GET");
          const ours = parseResponses(stream);
          const lines =
            kind === "open" ? ["transfer-encoding", "chunked"] : ["content-length", `${pieces.join("").length}`];
          const expected = {
            ...{ start: `${status}`, version: "1.1", fields: [...fields, ...lines] },
            ...{ body: pieces.join(""), trailers: kind === "open" ? trailers : [] },
          };
          deepStrictEqual([read.messages, read.interim, read.error], [[expected], [103], undefined]);
          const [message] = ours.messages;
          deepStrictEqual([ours.interim[0]?.fields, message?.head.fields], [fields, expected.fields]);
          deepStrictEqual(
            [message?.body, message?.trailers, ours.taken],
            [expected.body, expected.trailers, stream.length],
          );
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe("chunks", () => {
  test("a chunk of no octets, which would end the body, is never written", () => {
    for (const bytes of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53]) {
      throws(() => chunkHeader(bytes), TypeError);
    }
    strictEqual(chunkHeader(65_536), "10000\r\n");
  });

  test("the end of a body is a chunk of no octets, the trailers and an empty line", () => {
    strictEqual(lastChunk(NO_FIELDS), "0\r\n\r\n");
    strictEqual(lastChunk(safe(["grpc-status", "0"])), "0\r\ngrpc-status: 0\r\n\r\n");
  });
});
