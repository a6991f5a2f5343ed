// node:http2 (nghttp2) as a client that asks what ours asks (client-requests.ts), and reads what a server sends.
import { type ClientHttp2Stream, connect } from "node:http2";
import { DATA, type Frame, PREFACE } from "../../proxy-tls/support/http2-frames.ts";
import { ASKED, UPLOAD, UPLOADING } from "./client-requests.ts";
import { MAX_HEADER_LIST_BYTES } from "./node-server.ts";
import { NodeSession } from "./node-session.ts";
import type { ClientReading, ReadMessage } from "./reading.ts";

const SETTINGS = { enablePush: false, maxHeaderListSize: MAX_HEADER_LIST_BYTES };

interface Seen {
  readonly messages: ReadMessage[];
  readonly interims: string[];
  readonly failed: Map<number, number>;
}

/** @param pieces frames */
export async function readWithNodeClient(pieces: readonly Buffer[]): Promise<ClientReading> {
  const seen: Seen = { messages: [], interims: [], failed: new Map() };
  let uploaded = 0;
  const note = ({ type, stream, payload }: Frame): void => {
    if (type === DATA && stream === UPLOADING) uploaded += payload.length;
  };
  const node = new NodeSession((side) => {
    const session = connect("http://x", { createConnection: () => side, settings: SETTINGS });
    for (const { stream, method } of ASKED) {
      const request = session.request({ ":method": method, ":path": "/" }, { endStream: method === "GET" });
      listen(request, stream, seen, () => node.at);
      if (method === "POST") request.end(UPLOAD);
    }
    return session;
  }, "server");
  for (const frame of await node.written(PREFACE.length)) note(frame);
  await node.read(pieces, note);
  // What it has reset itself has not failed by the server's will.
  for (const stream of node.resets.keys()) seen.failed.delete(stream);
  const reading = structuredClone({ ...seen, resets: node.resets, end: node.end, uploaded });
  node.destroy();
  return reading;
}

function listen(request: ClientHttp2Stream, stream: number, seen: Seen, now: () => number): void {
  let message: ReadMessage | undefined;
  let trailers: readonly string[] = [];
  request.on("headers", (_headers, _flags, raw) => seen.interims.push(`${stream} ${JSON.stringify(raw)}`));
  request.on("response", (_headers, _flags, raw) => {
    message = { stream, at: now(), fields: raw, body: "", trailers: undefined };
    seen.messages.push(message);
  });
  request.on("data", (piece: Buffer) => {
    if (message !== undefined) message.body += piece.toString("latin1");
  });
  request.on("trailers", (_headers, _flags, raw) => {
    trailers = raw ?? [];
  });
  request.on("end", () => {
    if (message !== undefined) message.trailers = trailers;
  });
  request.on("close", () => {
    if (request.rstCode !== 0) seen.failed.set(stream, request.rstCode);
  });
  request.on("error", () => {});
}
