// One unary method over HTTP/2 streams without the call objects of grpc-js, for the method that all else waits for. It speaks the
// same protocol (gRPC over HTTP/2: length-prefixed messages, status in trailers) and leaves whatever is unusual, such as
// compression, to grpc-js. The answer leaves in one TLS record (answer-at-once.ts).
import type { IncomingHttpHeaders, OutgoingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { ApiError } from "../api-error.ts";
import type { Connection } from "../connection.ts";
import { answerAtOnce, trailersOf } from "./answer-at-once.ts";
import { deadlineExceeded, type PartialStatusObject, requestTimedOut, statusFor } from "./coded-status.ts";
import type { WaitingRequest } from "./waiting-requests.ts";

/** A call, as far as it is known before its message was read. */
export interface DirectCall {
  readonly connection: Connection;
  /** The value of a request header that came once. */
  header(name: string): string | undefined;
  /** True once nobody waits for the answer any more. */
  cancelled(): boolean;
}

export type DirectAnswer =
  /** A whole gRPC frame (see `frameOf`). */
  | { readonly kind: "frame"; readonly frame: Buffer }
  | { readonly kind: "status"; readonly status: PartialStatusObject };

export interface DirectMethod {
  /** "/package.Service/Method" */
  readonly path: string;
  /** Answers one request message. Never rejects. */
  answer(message: Buffer, call: DirectCall): Promise<DirectAnswer>;
}

export interface DirectUnaryOptions {
  readonly method: DirectMethod;
  readonly maxMessageBytes: number;
  /** Notes a call whose request has not wholly come; `end` is called when it takes too long. */
  begin(end: () => void): WaitingRequest;
  /** A call that was refused before `answer` saw it. */
  onRefused(error: ApiError, connection: Connection): void;
}

const FRAME_HEADER_BYTES = 5;
/** What may still come on a refused call, unread: a peer that is reset while it sends may never see why it was refused. */
const REFUSED_BYTES = 4 * 1024 * 1024;
const REFUSED_MS = 1000;
const HEADERS: OutgoingHttpHeaders = {
  ":status": 200,
  "content-type": "application/grpc+proto",
  "grpc-accept-encoding": "identity,deflate,gzip",
};
const OK = trailersOf({ "grpc-status": "0" });
const CONTENT_TYPES: ReadonlySet<unknown> = new Set(["application/grpc", "application/grpc+proto"]);
const TIMEOUT = /^(\d{1,8})([HMSmun])$/;
const UNIT_MS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000_001 };
/** Longer deadlines are rounded up to it: timers of one length share a list, and the caller keeps its own deadline anyway. */
const DEADLINE_STEP_MS = 1000;

/** A frame to be filled: `length` bytes of message behind its header. */
export function frameOf(length: number): { readonly frame: Buffer; readonly message: Buffer } {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + length);
  frame[0] = 0;
  frame.writeUInt32BE(length, 1);
  return { frame, message: frame.subarray(FRAME_HEADER_BYTES) };
}

/** Whether a call may be answered here. What is unusual goes the way of grpc-js. */
export function isPlainCall(headers: IncomingHttpHeaders, path: string): boolean {
  const timeout = headers["grpc-timeout"];
  const encoding = headers["grpc-encoding"];
  return (
    headers[":path"] === path &&
    headers[":method"] === "POST" &&
    CONTENT_TYPES.has(headers["content-type"]) &&
    (encoding === undefined || encoding === "identity") &&
    (timeout === undefined || (typeof timeout === "string" && TIMEOUT.test(timeout)))
  );
}

/** Answers one call. */
export function answerDirectly(
  options: DirectUnaryOptions,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  connection: Connection,
): void {
  new Exchange(options, stream, headers, connection).begin();
}

class Exchange implements DirectCall {
  readonly connection: Connection;
  readonly #options: DirectUnaryOptions;
  readonly #stream: ServerHttp2Stream;
  #headers: IncomingHttpHeaders;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #waiting: WaitingRequest | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #reset: NodeJS.Timeout | undefined;
  #answered = false;

  constructor(
    options: DirectUnaryOptions,
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    connection: Connection,
  ) {
    this.#options = options;
    this.#stream = stream;
    this.#headers = headers;
    this.connection = connection;
  }

  begin(): void {
    const stream = this.#stream;
    this.#waiting = this.#options.begin(() => this.#refuse(requestTimedOut()));
    const timeoutMs = parseTimeout(this.#headers["grpc-timeout"]);
    if (timeoutMs !== undefined)
      this.#deadline = setTimeout(() => this.#refuse(deadlineExceeded()), timerMs(timeoutMs));
    stream.on("data", (chunk: Buffer) => this.#receive(chunk));
    stream.on("end", () => this.#received());
    stream.on("close", () => this.#closed());
  }

  header(name: string): string | undefined {
    const value = this.#headers[name];
    return typeof value === "string" ? value : undefined;
  }

  cancelled(): boolean {
    return this.#answered || this.#stream.destroyed || this.#stream.closed;
  }

  #receive(chunk: Buffer): void {
    this.#bytes += chunk.length;
    if (this.#answered) {
      if (this.#bytes > REFUSED_BYTES) this.#stream.close();
      return;
    }
    this.#chunks.push(chunk);
    const { maxMessageBytes } = this.#options;
    if (this.#bytes > FRAME_HEADER_BYTES + maxMessageBytes || this.#announcedBytes() > maxMessageBytes) {
      this.#refuse(
        new ApiError(
          "MCA_MESSAGE_TOO_LARGE",
          `The message is larger than this server takes (${maxMessageBytes} bytes). Send a smaller one.`,
        ),
      );
    }
  }

  /** The length that the frame's header tells; 0 as long as it has not come. */
  #announcedBytes(): number {
    const [first = EMPTY] = this.#chunks;
    if (first.length >= FRAME_HEADER_BYTES) return first.readUInt32BE(1);
    if (this.#bytes < FRAME_HEADER_BYTES) return 0;
    const header = Buffer.concat(this.#chunks);
    this.#chunks = [header];
    return header.readUInt32BE(1);
  }

  #received(): void {
    this.#waiting?.done();
    if (this.#answered) return;
    const [first = EMPTY] = this.#chunks;
    const body = this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks);
    this.#chunks = [];
    const problem = frameProblem(body);
    if (problem !== undefined) {
      this.#refuse(new ApiError("MCA_REQUEST_INVALID", `The message cannot be read: ${problem}.`));
      return;
    }
    this.#options.method.answer(body.subarray(FRAME_HEADER_BYTES), this).then((answer) => {
      if (this.cancelled()) return;
      if (answer.kind === "frame") this.#send(answer.frame);
      else this.#sendStatus(answer.status);
    });
  }

  #send(frame: Buffer): void {
    const stream = this.#stream;
    this.#end();
    answerAtOnce(stream, HEADERS, frame, OK);
  }

  /** Status without a message: a "Trailers-Only" response. */
  #sendStatus({ code, details, metadata }: PartialStatusObject): void {
    this.#end();
    this.#stream.respond(
      {
        ...HEADERS,
        "grpc-status": String(code ?? 2),
        "grpc-message": encodeURI(details ?? ""),
        ...metadata?.toHttp2Headers(),
      },
      { endStream: true },
    );
  }

  #refuse(error: ApiError): void {
    if (this.cancelled()) return;
    this.#options.onRefused(error, this.connection);
    this.#sendStatus(statusFor(error));
    // A peer that never ends its half would keep the stream.
    this.#reset = setTimeout(() => this.#stream.close(), REFUSED_MS);
  }

  #end(): void {
    this.#answered = true;
    this.#chunks = [];
    this.#waiting?.done();
    clearTimeout(this.#deadline);
  }

  /** node keeps the stream, and with it this, until V8 collects everything: what hangs on it goes now. */
  #closed(): void {
    this.#waiting?.done();
    clearTimeout(this.#deadline);
    clearTimeout(this.#reset);
    this.#answered = true;
    this.#chunks = [];
    this.#headers = {};
    this.#waiting = undefined;
    this.#deadline = undefined;
    this.#reset = undefined;
  }
}

const EMPTY = Buffer.alloc(0);

/** What is wrong with the one frame that a unary request is; undefined: nothing. */
function frameProblem(body: Buffer): string | undefined {
  if (body.length < FRAME_HEADER_BYTES) return "there is no whole message";
  if (body[0] !== 0) return "it is compressed without saying how";
  if (body.readUInt32BE(1) !== body.length - FRAME_HEADER_BYTES) return "it is not exactly one message";
  return undefined;
}

function parseTimeout(header: string | string[] | undefined): number | undefined {
  const [, value, unit] = (typeof header === "string" ? TIMEOUT.exec(header) : null) ?? [];
  return value === undefined || unit === undefined ? undefined : Number(value) * (UNIT_MS[unit] ?? 0);
}

function timerMs(timeoutMs: number): number {
  const rounded = timeoutMs < DEADLINE_STEP_MS ? timeoutMs : Math.ceil(timeoutMs / DEADLINE_STEP_MS) * DEADLINE_STEP_MS;
  // setTimeout fires at once beyond 2^31 - 1.
  return Math.min(rounded, 2 ** 31 - 1);
}
