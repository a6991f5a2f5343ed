// Streams of HTTP/1.1 messages for property tests: good ones, and good ones with faults. What smugglers write is in the faults' vocabulary.
import fc from "fast-check";

const TOKEN = [..."!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"];
const TARGET = [..."abcXYZ019/-._~!$&'()*+,;=:@%?\"<>[]{}|^`#"];
const VALUE = Array.from({ length: 256 }, (_, octet) => String.fromCharCode(octet)).filter(
  (character) => character > " " && character !== "\x7f",
);
const METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "M-SEARCH"];
const FRAMING_NAMES = ["content-length", "transfer-encoding", "connection", "upgrade", "expect"];

const textOf = (characters: readonly string[], minLength: number, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...characters), minLength, maxLength });

const space = fc.constantFrom("", " ", "\t", "  ", " \t ");
const fieldLine = fc
  .tuple(
    textOf(TOKEN, 1, 12).filter((name) => !FRAMING_NAMES.includes(name.toLowerCase())),
    space,
    textOf([...VALUE, " ", "\t"], 0, 20),
    space,
  )
  .map(([name, before, value, after]) => `${name}:${before}${value}${after}\r\n`);
const fieldLines = fc.array(fieldLine, { maxLength: 6 }).map((lines) => lines.join(""));
/** Names in lower case and values, as a field list. None of them is a framing field. */
export const fieldPairs = fc
  .array(
    fc.tuple(
      textOf(
        TOKEN.filter((character) => character === character.toLowerCase()),
        1,
        12,
      ).filter((name) => !FRAMING_NAMES.includes(name)),
      textOf([...VALUE, " "], 0, 20).map((value) => value.replace(/^ +| +$/g, "")),
    ),
    { maxLength: 6 },
  )
  .map((pairs) => pairs.flat());
const data = fc.oneof(
  textOf(VALUE, 1, 40),
  fc.constantFrom("0\r\n\r\n", "GET /x HTTP/1.1\r\n\r\n", "HTTP/1.1 200 \r\n\r\n", "\r\n", "\0", "x".repeat(5_000)),
);

function chunk(text: string, zeros: number, upper: boolean): string {
  const size = "0".repeat(zeros) + text.length.toString(16);
  return `${upper ? size.toUpperCase() : size}\r\n${text}\r\n`;
}

/** Framing fields with the body that belongs to them. */
const framed = fc.oneof(
  fc.constant(["", ""] as const),
  data.map((text) => [`Content-Length: ${text.length}\r\n`, text] as const),
  fc
    .tuple(
      fc.constantFrom("chunked", "Chunked", "CHUNKED"),
      fc.array(fc.tuple(data, fc.nat(3), fc.boolean()), { maxLength: 4 }),
      fc.nat(4),
      fieldLines,
    )
    .map(([coding, chunks, zeros, trailers]) => {
      const body = chunks.map((part) => chunk(...part)).join("");
      return [`Transfer-Encoding: ${coding}\r\n`, `${body}0${"0".repeat(zeros)}\r\n${trailers}\r\n`] as const;
    }),
);

const request = fc
  .tuple(fc.constantFrom(...METHODS), textOf(TARGET, 0, 20), fieldLines, framed, fieldLines)
  .map(([method, path, before, [framing, body], after]) => {
    return `${method} /${path} HTTP/1.1\r\n${before}${framing}Host: a\r\n${after}\r\n${body}`;
  });

/** One to four requests, one behind the other. */
export const requestStream = fc.array(request, { minLength: 1, maxLength: 4 }).map((all) => all.join(""));

const interim = fc.array(
  fc
    .tuple(fc.constantFrom(100, 102, 103), fieldLines)
    .map(([status, fields]) => `HTTP/1.1 ${status} x\r\n${fields}\r\n`),
  { maxLength: 3 },
);

/** A response to GET, with interim ones before it. */
export const responseStream = fc
  .tuple(
    interim,
    fc.constantFrom(200, 206, 304, 404, 500, 599, 204),
    textOf([...VALUE, " ", "\t"], 0, 10),
    fieldLines,
    framed,
    fieldLines,
  )
  .map(([before, status, reason, first, [framing, body], second]) => {
    const bodyless = status === 204 || status === 304;
    const head = `HTTP/1.1 ${status} ${reason}\r\n${first}${bodyless ? "" : framing}${second}\r\n`;
    return `${before.join("")}${head}${bodyless ? "" : body}`;
  });

export const FAULTS: readonly string[] = [
  ...["\r", "\n", "\r\n", "\r\n\r\n", "\n\n", " ", "\t", "\0", "\x0b", "\x0c", "\x7f", "\x85", "\xa0", "\xff"],
  ...[":", ";", ",", "=", "+", "-", "_", "0", "1", "5", "a", "f", "x", '"', "\\", "%", "/", "*", "?", "#"],
  ...[
    "Transfer-Encoding: chunked\r\n",
    "Transfer-Encoding : chunked\r\n",
    "Transfer-Encoding: identity\r\n",
    "chunked",
  ],
  ...[
    "Transfer-Encoding:\r\n chunked\r\n",
    "transfer-encoding: chunked, chunked\r\n",
    "identity",
    " chunked",
    ", chunked",
  ],
  ...[
    "Content-Length: 0\r\n",
    "Content-Length: 5\r\n",
    "content-length: +5\r\n",
    "Content-Length : 5\r\n",
    "0x5",
    "1e1",
  ],
  ...[
    "0\r\n\r\n",
    "5\r\nhello\r\n",
    "1;a=b\r\nx\r\n",
    "ffffffffffffffff\r\n",
    "GET / HTTP/1.1\r\n",
    "HTTP/1.0",
    "HTTP/1.1",
  ],
  ...[
    "Connection: close\r\n",
    "Connection: content-length\r\n",
    "Expect: 100-continue\r\n",
    "HTTP/1.1 100 \r\n\r\n",
    "101",
    "204",
  ],
];

export interface Fault {
  /** Where, as a share of the stream. */
  readonly at: number;
  /** Octets that are taken away. */
  readonly drop: number;
  readonly insert: string;
}

export function withFaults(stream: string, faults: readonly Fault[]): string {
  let text = stream;
  for (const { at, drop, insert } of faults) {
    const start = Math.floor(at * text.length);
    text = text.slice(0, start) + insert + text.slice(start + drop);
  }
  return text;
}

const fault = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  drop: fc.constantFrom(0, 0, 1, 2, 5),
  insert: fc.oneof(fc.constantFrom("", ...FAULTS), fc.constantFrom("", ...VALUE)),
});

/** Streams of which most have a fault or more. */
export function faulty(streams: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(streams, fc.array(fault, { maxLength: 3 })).map(([stream, faults]) => withFaults(stream, faults));
}

/** Sizes of pieces. */
export const pieceSizes = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 60 });
