// What all handlers share: who calls, the request's id, the error that the caller sees, the log lines of refused calls,
// and the counts. A handler is a function from request and call to response; it throws what goes wrong.
import type { BoundCounter, BoundHistogram, Clock, Logger, Metrics, RandomSource } from "../../runtime/index.ts";
import type { Connection } from "../connection.ts";
import { describeError } from "../errors.ts";
import { statusFor } from "./coded-status.ts";
import { type Definition, frameMessage, parseMessage } from "./definition.ts";
import { RefusalLog } from "./refusal-log.ts";
import type {
  CallStatus,
  IncomingCall,
  OutgoingFrames,
  StreamMethod,
  UnaryAnswer,
  UnaryMethod,
} from "./wire/method.ts";

/** One call, as a handler sees it. */
export interface Call {
  /** Full gRPC path: "/meshca.identity.v1.IdentityService/IssueX509Svid". */
  readonly method: string;
  readonly connection: Connection;
  /** The caller's `x-request-id` if it is well formed, else one of ours; recorded and logged. */
  readonly requestId: string;
  /** A header of the request that came once; undefined without it. */
  header(name: string): string | undefined;
  /** True once nobody waits for the answer any more. */
  cancelled(): boolean;
}

export interface CallsOptions {
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export type UnaryHandler<Request, Response> = (request: Request, call: Call) => Promise<Response>;
/** Where the messages of a stream go. */
export interface OutgoingStream<Response> extends Omit<OutgoingFrames, "write"> {
  /** @returns false: wait for "drain" */
  write(message: Response): boolean;
}

export type StreamHandler<Request, Response> = (
  request: Request,
  call: Call,
  stream: OutgoingStream<Response>,
) => Promise<void>;

const REQUEST_ID = /^[A-Za-z0-9._-]{1,64}$/;
const CALL_BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export class Calls {
  readonly #options: CallsOptions;
  readonly #duration: { bind(attributes: Record<string, string>): BoundHistogram };
  readonly #refused: { bind(attributes: Record<string, string>): BoundCounter };
  readonly #refusedByKey = new Map<string, BoundCounter>();
  readonly #refusals: RefusalLog;
  #inFlight = 0;

  constructor(options: CallsOptions) {
    this.#options = options;
    this.#refusals = new RefusalLog(options.logger, options.clock);
    this.#duration = options.metrics.histogram("mesh_ca_call_seconds", {
      description: "How long unary calls took, answered or refused.",
      unit: "s",
      buckets: CALL_BUCKETS,
    });
    this.#refused = options.metrics.counter("mesh_ca_calls_refused_total", {
      description: "Refused calls, by method and code.",
    });
    options.metrics.gauge("mesh_ca_calls_in_flight", { description: "Unary calls that wait for their answer." }, () => [
      { value: this.#inFlight },
    ]);
  }

  /** Unary calls that wait for their answer. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** A unary method. @param frame makes the frame of a response, where there is a faster way than its definition's */
  unary<Request, Response>(
    definition: Definition<Request, Response>,
    handler: UnaryHandler<Request, Response>,
    frame = (response: Response): Buffer => frameMessage(definition, response),
  ): UnaryMethod {
    const { path } = definition;
    const duration = this.#duration.bind({ method: path });
    return {
      kind: "unary",
      path,
      answer: async (message, from): Promise<UnaryAnswer> => {
        const call = this.#describe(path, from);
        const startedAt = performance.now();
        this.#inFlight++;
        try {
          return { kind: "frame", frame: frame(await handler(parseMessage(definition, message), call)) };
        } catch (error) {
          return { kind: "status", status: this.#refuse(error, call) };
        } finally {
          this.#inFlight--;
          duration.record((performance.now() - startedAt) / 1000);
        }
      },
    };
  }

  /** A method that is answered with a stream: it ends when the handler does. */
  stream<Request, Response>(
    definition: Definition<Request, Response>,
    handler: StreamHandler<Request, Response>,
    frame = (response: Response): Buffer => frameMessage(definition, response),
  ): StreamMethod {
    const { path } = definition;
    return {
      kind: "stream",
      path,
      serve: async (message, from, out): Promise<CallStatus | undefined> => {
        const call = this.#describe(path, from);
        try {
          await handler(parseMessage(definition, message), call, messagesInto(out, frame));
          return undefined;
        } catch (error) {
          return this.#refuse(error, call);
        }
      },
    };
  }

  /** Tells what was left out of the log. */
  close(): void {
    this.#refusals.close();
  }

  /** Counts and logs a call that never reached its handler. */
  refusedEarly(refusal: { readonly method: string; readonly error: unknown; readonly connection: Connection }): void {
    const { method, error, connection } = refusal;
    const { code, level } = describeError(error);
    this.#count(method, code);
    const { peerName: peer, address } = connection;
    const facts = { method, code, peer, address, ...(level === "error" ? { error } : {}) };
    this.#refusals.write(level === "error" ? level : "warn", facts, "refused before it reached its handler");
  }

  #describe(method: string, from: IncomingCall): Call {
    return new HandledCall(method, this.#requestId(from.header("x-request-id")), from);
  }

  #requestId(given: string | undefined): string {
    if (given !== undefined && REQUEST_ID.test(given)) return given;
    return Buffer.from(this.#options.random.bytes(12)).toString("base64url");
  }

  #refuse(error: unknown, call: Call): CallStatus {
    const { code, level, sentence, details } = describeError(error);
    this.#count(call.method, code);
    const { connection, method, requestId } = call;
    this.#refusals.write(
      level,
      {
        method,
        code,
        requestId,
        peer: connection.peerName,
        address: connection.address,
        details,
        // The whole error with its stack only where it is our trouble; a caller's mistake is told by its code.
        ...(level === "error" || (error instanceof Error && error.cause !== undefined) ? { error } : {}),
      },
      sentence,
    );
    const status = statusFor(error);
    status.metadata.set("mca-request-id", requestId);
    return status;
  }

  #count(method: string, code: string): void {
    const key = `${method} ${code}`;
    let counter = this.#refusedByKey.get(key);
    if (counter === undefined) {
      counter = this.#refused.bind({ method, code });
      this.#refusedByKey.set(key, counter);
    }
    counter.add(1);
  }
}

class HandledCall implements Call {
  readonly method: string;
  readonly requestId: string;
  readonly #from: IncomingCall;

  constructor(method: string, requestId: string, from: IncomingCall) {
    this.method = method;
    this.requestId = requestId;
    this.#from = from;
  }

  get connection(): Connection {
    return this.#from.connection;
  }

  header(name: string): string | undefined {
    return this.#from.header(name);
  }

  cancelled(): boolean {
    return this.#from.cancelled();
  }
}

function messagesInto<Response>(out: OutgoingFrames, frame: (response: Response) => Buffer): OutgoingStream<Response> {
  return {
    write: (message) => out.write(frame(message)),
    get writableNeedDrain() {
      return out.writableNeedDrain;
    },
    once: (event, listener) => out.once(event, listener),
  };
}
