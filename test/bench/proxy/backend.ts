// The application behind the proxies of the bench, in a process of its own: as fast as Node allows, so that it is never what is
// measured. Prints its ports as one line of JSON.
//   small: raw TCP that answers each blank line with the same bytes      bulk: HTTP/1.1, a gigabyte up or down with its SHA-256
//   h2: HTTP/2 in plaintext with the same small answer
import { createHash } from "node:crypto";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { createServer, type Server } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ANSWER, ANSWER_BODY, ANSWER_FIELDS, bulkChunks } from "./traffic.ts";

const CR = 13;
const LF = 10;

/** Answers every end of a head (CR LF CR LF), wherever the chunks are cut. */
const small = createServer({ noDelay: true }, (socket) => {
  let matched = 0;
  socket.on("error", () => socket.destroy());
  socket.on("data", (chunk: Buffer) => {
    let answers = 0;
    if (matched === 0 && chunk.length < 2_048 && chunk.indexOf("\r\n\r\n") === chunk.length - 4) answers = 1;
    else {
      for (const byte of chunk) {
        matched = byte === (matched % 2 === 0 ? CR : LF) ? matched + 1 : byte === CR ? 1 : 0;
        if (matched === 4) {
          matched = 0;
          answers++;
        }
      }
    }
    for (; answers > 0; answers--) socket.write(ANSWER);
  });
});

const bulk = createHttpServer({ requestTimeout: 0 }, async (request, response) => {
  try {
    const url = new URL(request.url ?? "/", "http://bulk");
    if (request.method === "PUT") {
      const hash = createHash("sha256");
      for await (const chunk of request) hash.update(chunk);
      response.end(hash.digest("hex"));
    } else {
      const bytes = Number(url.searchParams.get("bytes"));
      response.writeHead(200, { "content-type": "application/octet-stream", "content-length": bytes });
      await pipeline(Readable.from(bulkChunks(bytes)), response);
    }
  } catch {
    response.destroy();
  }
});

const h2 = createHttp2Server({ settings: { maxConcurrentStreams: 1_000 } });
h2.on("stream", (stream) => {
  stream.on("error", () => {});
  stream.respond({ ":status": 200, ...ANSWER_FIELDS });
  stream.end(ANSWER_BODY);
});

async function portOf(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen({ host: "127.0.0.1", port: 0, backlog: 8_192 }, resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("a TCP server has a port");
  return address.port;
}

console.log(JSON.stringify({ small: await portOf(small), bulk: await portOf(bulk), h2: await portOf(h2) }));
