// Go's net/http reads what our HTTP/1.1 writers write: the same messages, with the same boundaries, fields, bodies and trailers.
import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { after, before, test } from "node:test";
import fc from "fast-check";
import { capture, projectRoot } from "../../scripts/lib/command.ts";
import type { BodyFraming, FieldList } from "../../src/proxy-tls/http/exchange.ts";
import { safe } from "../../src/proxy-tls/http/fields/safe-fields.ts";
import { CHUNK_END, chunkHeader, lastChunk } from "../../src/proxy-tls/http/h1/chunk-writer.ts";
import { writeRequestHead, writeResponseHead } from "../../src/proxy-tls/http/h1/head-writer.ts";
import { fieldPairs } from "../proxy-tls/support/http1-streams.ts";

interface GoMessage {
  readonly start: string;
  readonly host: string;
  readonly fields: string[];
  readonly length: number;
  readonly chunked: boolean;
  readonly close: boolean;
  readonly body: string;
  readonly trailers: string[];
}

const folder = mkdtempSync(join(tmpdir(), "mesh-ca-go-http1-"));
let program: ChildProcessByStdio<Writable, Readable, null>;
let answers: AsyncIterator<string>;

before(async () => {
  const cwd = join(projectRoot, "test/foreign/go");
  const path = join(folder, "http1");
  const { code, output } = await capture("go", ["build", "-o", path, "./http1"], { cwd });
  assert.equal(code, 0, output);
  program = spawn(path, [], { stdio: ["pipe", "pipe", "inherit"] });
  answers = createInterface(program.stdout)[Symbol.asyncIterator]();
});
after(() => {
  program?.kill();
  rmSync(folder, { recursive: true, force: true });
});

/** How Go reads a stream of requests, or of responses to `method`. */
async function go(stream: string, method = ""): Promise<{ messages: GoMessage[]; error: string }> {
  program.stdin.write(`${JSON.stringify({ method, stream: Buffer.from(stream, "latin1").toString("base64") })}\n`);
  const { value } = await answers.next();
  return JSON.parse(String(value));
}

const octets = fc.nat(255).map((octet) => String.fromCharCode(octet));
const bodies = fc.record({
  kind: fc.constantFrom("none" as const, "length" as const, "open" as const),
  pieces: fc.array(fc.string({ unit: octets, minLength: 1 }), { maxLength: 4 }),
  trailers: fieldPairs,
});

interface Body {
  readonly framing: BodyFraming;
  readonly wire: string;
  /** What Go should say. */
  readonly expected: Pick<GoMessage, "length" | "chunked" | "body" | "trailers">;
}

function bodyOf({ kind, pieces, trailers }: typeof bodies extends fc.Arbitrary<infer T> ? T : never): Body {
  const text = pieces.join("");
  switch (kind) {
    case "none":
      return { framing: { kind }, wire: "", expected: { length: 0, chunked: false, body: "", trailers: [] } };
    case "length": {
      const expected = { length: text.length, chunked: false, body: text, trailers: [] };
      return { framing: { kind, bytes: text.length }, wire: text, expected };
    }
    case "open": {
      const chunks = pieces.map((piece) => chunkHeader(piece.length) + piece + CHUNK_END).join("");
      const expected = { length: -1, chunked: true, body: text, trailers: lines(trailers) };
      return { framing: { kind }, wire: chunks + lastChunk(safe(trailers)), expected };
    }
  }
}

function lines(fields: FieldList): string[] {
  const pairs: string[] = [];
  for (let i = 0; i < fields.length; i += 2) pairs.push(`${fields[i]}: ${fields[i + 1]}`);
  return pairs.sort();
}

const requests = fc.array(fc.tuple(fc.constantFrom("GET", "POST", "M-SEARCH", "DELETE"), fieldPairs, bodies), {
  minLength: 1,
  maxLength: 4,
});

test("Go reads a stream of requests that we write as the same requests", async () => {
  await fc.assert(
    fc.asyncProperty(requests, async (all) => {
      const written = all.map(([method, fields, body]) => ({ method, fields, ...bodyOf(body) }));
      const stream = written.map(({ method, fields, framing, wire }) => {
        const head = {
          version: "1.1",
          method,
          target: "/a%20b?c=d",
          path: "/a b",
          authority: "shop.example:8080",
        } as const;
        const rest = {
          fields: safe(fields),
          body: framing,
          expectsContinue: false,
          acceptsTrailers: false,
          close: false,
        };
        return writeRequestHead({ ...head, ...rest }) + wire;
      });
      const read = await go(stream.join(""));
      const expected = written.map(({ method, fields, expected }) => ({
        ...{ start: `${method} /a%20b?c=d HTTP/1.1`, host: "shop.example:8080", fields: lines(fields), close: false },
        ...expected,
      }));
      assert.deepEqual(
        { error: read.error, messages: read.messages.map(sorted) },
        { error: "", messages: expected.map(sorted) },
      );
    }),
    { numRuns: 500 },
  );
});

const responses = fc.array(fc.tuple(fc.constantFrom(200, 201, 299, 404, 503), fieldPairs, bodies, fc.boolean()), {
  minLength: 1,
  maxLength: 3,
});

test("Go reads responses that we write as the same responses", async () => {
  await fc.assert(
    fc.asyncProperty(responses, async (all) => {
      const written = all.map(([status, fields, body, close]) => ({ status, fields, close, ...bodyOf(body) }));
      const stream = written.map(({ status, fields, close, framing, wire }) => {
        return writeResponseHead(status, safe(fields), framing, close ? "close" : "keep-alive", "1.1") + wire;
      });
      const read = await go(stream.join(""), "GET");
      const expected = written.map(({ status, fields, close, expected }) => ({
        ...{ start: `HTTP/1.1 ${status}`, host: "", fields: lines(fields), close },
        ...expected,
      }));
      assert.deepEqual(
        { error: read.error, messages: read.messages.map(sorted) },
        { error: "", messages: expected.map(sorted) },
      );
    }),
    { numRuns: 500 },
  );
});

/** Without what framing and connection fields Go leaves among the others, in one order of keys and lines. */
function sorted({ start, host, fields, length, chunked, close, body, trailers }: GoMessage): GoMessage {
  const kept = fields.filter((line) => !/^(content-length|connection): /.test(line)).sort();
  return { start, host, fields: kept, length, chunked, close, body, trailers: trailers.sort() };
}
