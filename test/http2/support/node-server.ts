// node:http2 (nghttp2) as a server that reads what a client sends and answers nothing.
import { performServerHandshake, type ServerHttp2Stream } from "node:http2";
import { NodeSession } from "./node-session.ts";
import type { Reading, ReadMessage } from "./reading.ts";

export const MAX_STREAMS = 100;
/** For its client too. */
export const MAX_HEADER_LIST_BYTES = 32_768;

/** @param pieces the preface and frames */
export async function readWithNode(pieces: readonly Buffer[]): Promise<Reading> {
  const settings = { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: MAX_HEADER_LIST_BYTES };
  const requests: ReadMessage[] = [];
  const node = new NodeSession((side) => {
    const session = performServerHandshake(side, { settings });
    session.on("stream", (stream, _headers, flags, raw) => requests.push(listen(stream, node.at, flags, raw)));
    return session;
  }, "client");
  await node.read(pieces);
  const reading = { messages: structuredClone(requests), resets: node.resets, end: node.end };
  node.destroy();
  return reading;
}

function listen(stream: ServerHttp2Stream, at: number, flags: number, raw: readonly string[]): ReadMessage {
  const request: ReadMessage = { stream: stream.id ?? 0, at, fields: [...raw], body: "", trailers: undefined };
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
