// What goes through the proxies of the bench: one ordinary API call with its answer, and bodies of any length.

/** The host that requests name. */
export const AUTHORITY = "shop.bench.test";

export const REQUEST_FIELDS = {
  "user-agent": "mesh-ca-bench/1.0",
  accept: "application/json",
  "accept-encoding": "gzip, br",
  authorization: `Bearer ${"ey".repeat(60)}`,
  cookie: "session=0123456789abcdef; theme=dark",
  traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
} as const;

export const TARGET = "/api/v1/items/4711/price?currency=EUR&expand=tax";

export const ANSWER_FIELDS = {
  "content-type": "application/json",
  date: "Sat, 21 Nov 2026 18:00:00 GMT",
  "cache-control": "no-store",
  etag: '"33a64df551425fcc55e4d42a148795d9f25f89d4"',
} as const;
export const ANSWER_BODY = JSON.stringify({ id: 4711, price: "12.50", currency: "EUR", note: "x".repeat(200) });

function head(startLine: string, fields: Readonly<Record<string, string>>): string {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${startLine}\r\n${lines.join("")}\r\n`;
}

/** The request's bytes in HTTP/1.1. */
export const REQUEST = Buffer.from(head(`GET ${TARGET} HTTP/1.1`, { host: AUTHORITY, ...REQUEST_FIELDS }), "latin1");

/** The answer's bytes in HTTP/1.1. */
export const ANSWER = Buffer.from(
  head("HTTP/1.1 200 OK", { ...ANSWER_FIELDS, "content-length": String(ANSWER_BODY.length) }) + ANSWER_BODY,
  "latin1",
);

export const uploadHead = (bytes: number): string =>
  head("PUT /bulk HTTP/1.1", { host: AUTHORITY, "content-length": String(bytes), connection: "close" });
export const downloadHead = (bytes: number): string =>
  head(`GET /bulk?bytes=${bytes} HTTP/1.1`, { host: AUTHORITY, connection: "close" });

const BULK_CHUNK = 64 * 1024;

/** `bytes` in pieces of 64 KiB. Each begins with its number, so that none can be lost, doubled or moved unseen. */
export function* bulkChunks(bytes: number): Generator<Buffer> {
  const filler = Buffer.alloc(BULK_CHUNK, "mesh-ca bench ");
  for (let number = 0, left = bytes; left > 0; number++) {
    const chunk = Buffer.from(filler.subarray(0, Math.min(BULK_CHUNK, left)));
    chunk.write(`${number}.`, 0, "latin1");
    left -= chunk.length;
    yield chunk;
  }
}
