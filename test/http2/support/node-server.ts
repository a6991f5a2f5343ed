// node:http2 (nghttp2) as a server that reads what a client sends and answers nothing. In memory: each piece is read before the next comes.
import { performServerHandshake, type ServerHttp2Stream } from "node:http2";
import { duplexPair } from "node:stream";
import { GOAWAY, RST_STREAM } from "../../proxy-tls/support/http2-frames.ts";
import { framesOf } from "./frames-of.ts";
import type { Reading, ReadRequest } from "./reading.ts";

export const MAX_STREAMS = 100;
const MAX_HEADER_LIST_BYTES = 32_768;

/** @param pieces the preface and frames */
export async function readWithNode(pieces: readonly Buffer[]): Promise<Reading> {
  const [client, side] = duplexPair();
  const written: Buffer[] = [];
  client.on("data", (chunk: Buffer) => written.push(chunk));
  client.on("error", () => {});
  side.on("error", () => {});
  const settings = { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: MAX_HEADER_LIST_BYTES };
  const session = performServerHandshake(side, { settings });
  const requests: ReadRequest[] = [];
  const resets = new Map<number, number>();
  let end: Reading["end"];
  let at = 0;
  const over = (why: string): void => {
    end ??= { at, why };
  };
  session.on("error", (error) => over(error.message));
  session.on("close", () => over("closed"));
  session.on("goaway", () => over("the client's GOAWAY"));
  session.on("stream", (stream, _headers, flags, raw) => requests.push(listen(stream, at, flags, raw)));
  for (const piece of pieces) {
    if (end !== undefined) break;
    client.write(piece);
    await turn();
    await turn();
    // Whole frames: it writes them at once.
    for (const { type, stream, payload } of framesOf(Buffer.concat(written.splice(0)))) {
      if (type === RST_STREAM && !resets.has(stream)) resets.set(stream, at);
      if (type === GOAWAY) over(`GOAWAY ${payload.readUInt32BE(4)} ${payload.toString("latin1", 8)}`);
    }
    at += 1;
  }
  const reading = { requests: structuredClone(requests), resets, end };
  session.destroy();
  client.destroy();
  return reading;
}

function listen(stream: ServerHttp2Stream, at: number, flags: number, raw: readonly string[]): ReadRequest {
  const request: ReadRequest = { stream: stream.id ?? 0, at, fields: [...raw], body: "", trailers: undefined };
  let trailers: readonly string[] = [];
  stream.on("data", (piece: Buffer) => {
    request.body += piece.toString("latin1");
  });
  stream.on("trailers", (_fields, _flags, list) => {
    trailers = list ?? [];
  });
  stream.on("end", () => {
    request.trailers = trailers;
  });
  stream.on("error", () => {});
  if ((flags & 1) !== 0) request.trailers = trailers;
  return request;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
