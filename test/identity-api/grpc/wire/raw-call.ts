// One call by a client that knows HTTP/2 and nothing of gRPC.
import type { ClientHttp2Session, ClientHttp2Stream, IncomingHttpHeaders } from "node:http2";
import { IssueX509SvidRequest } from "../../../../src/proto/gen/meshca/identity/v1/identity.ts";

export interface RawAnswer {
  readonly headers: IncomingHttpHeaders;
  readonly trailers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export const SERVICE = "/meshca.identity.v1.IdentityService";

/** The head of a call is sent. That it fails is not told, unless somebody listens. */
export function beginCall(
  session: ClientHttp2Session,
  method: string,
  headers: Readonly<Record<string, string>> = {},
): ClientHttp2Stream {
  const stream = session.request({
    ":method": "POST",
    ":path": `${SERVICE}/${method}`,
    "content-type": "application/grpc",
    te: "trailers",
    ...headers,
  });
  stream.on("error", () => {});
  return stream;
}

/** `chunks` are written apart from each other. */
export async function rawCall(
  session: ClientHttp2Session,
  method: string,
  chunks: readonly Buffer[],
  headers: Readonly<Record<string, string>> = {},
): Promise<RawAnswer> {
  const stream = beginCall(session, method, headers);
  const parts: Buffer[] = [];
  let response: IncomingHttpHeaders = {};
  let trailers: IncomingHttpHeaders = {};
  stream.on("response", (given) => {
    response = given;
  });
  stream.on("trailers", (given) => {
    trailers = given;
  });
  stream.on("data", (part: Buffer) => parts.push(part));
  const ended = new Promise((resolve, reject) => {
    stream.on("close", resolve);
    stream.on("error", reject);
  });
  for (const chunk of chunks) {
    stream.write(chunk);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  stream.end();
  await ended;
  return { headers: response, trailers, body: Buffer.concat(parts) };
}

/** A message as a gRPC frame. */
export function framed(message: Uint8Array, flag = 0): Buffer {
  const header = Buffer.of(flag, 0, 0, 0, 0);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

/** A request of IssueX509Svid. */
export function issueMessage(request: Partial<IssueX509SvidRequest> = {}): Uint8Array {
  return IssueX509SvidRequest.encode(IssueX509SvidRequest.fromPartial(request)).finish();
}
