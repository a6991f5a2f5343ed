// What all handlers share: who calls, the request's id, the error that the caller sees, the log lines of refused calls,
// and the counts. A handler is a function from request and call to response; it throws what goes wrong.
import type {
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  ServerUnaryCall,
  ServerWritableStream,
} from "@grpc/grpc-js";
import type { BoundCounter, BoundHistogram, Clock, Logger, Metrics, RandomSource } from "../../runtime/index.ts";
import type { Connection } from "../connection.ts";
import { describeError, toServiceError } from "../errors.ts";
import { unreadableMessage } from "./coded-status.ts";
import type { DirectAnswer, DirectMethod } from "./direct-unary.ts";
import { RefusalLog } from "./refusal-log.ts";

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
  connectionOf(metadata: Metadata): Connection;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export type UnaryHandler<Request, Response> = (request: Request, call: Call) => Promise<Response>;
export type StreamHandler<Request, Response> = (
  request: Request,
  call: Call,
  stream: ServerWritableStream<Request, Response>,
) => Promise<void>;

/** As much of a generated method definition as is used here. */
interface DirectDefinition<Request> {
  readonly path: string;
  readonly requestDeserialize: (bytes: Buffer) => Request;
}

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

  unary<Request, Response>(
    method: string,
    handler: UnaryHandler<Request, Response>,
  ): handleUnaryCall<Request, Response> {
    const duration = this.#duration.bind({ method });
    return (grpcCall, respond) => {
      const call = this.#describe(method, grpcCall);
      this.#timed(duration, handler, grpcCall.request, call).then(
        (response) => respond(null, response),
        (error: unknown) => respond(this.#refuse(error, call)),
      );
    };
  }

  /** A unary method that is answered without grpc-js (direct-unary.ts). `frame` makes a response's frame. */
  direct<Request, Response>(
    { path: method, requestDeserialize: read }: DirectDefinition<Request>,
    handler: UnaryHandler<Request, Response>,
    frame: (response: Response) => Buffer,
  ): DirectMethod {
    const duration = this.#duration.bind({ method });
    return {
      path: method,
      answer: async (message, from): Promise<DirectAnswer> => {
        const call: Call = {
          method,
          connection: from.connection,
          requestId: this.#requestId(from.header("x-request-id")),
          header: (name) => from.header(name),
          cancelled: () => from.cancelled(),
        };
        try {
          const response = await this.#timed(duration, handler, parse(read, message), call);
          return { kind: "frame", frame: frame(response) };
        } catch (error) {
          const { code, details, metadata } = this.#refuse(error, call);
          return { kind: "status", status: { code, details, metadata } };
        }
      },
    };
  }

  async #timed<Request, Response>(
    duration: BoundHistogram,
    handler: UnaryHandler<Request, Response>,
    request: Request,
    call: Call,
  ): Promise<Response> {
    const startedAt = performance.now();
    this.#inFlight++;
    try {
      return await handler(request, call);
    } finally {
      this.#inFlight--;
      duration.record((performance.now() - startedAt) / 1000);
    }
  }

  stream<Request, Response>(
    method: string,
    handler: StreamHandler<Request, Response>,
  ): handleServerStreamingCall<Request, Response> {
    return (grpcCall) => {
      const call = this.#describe(method, grpcCall);
      grpcCall.on("error", (error: unknown) => {
        this.#options.logger.debug({ event: "call.stream_error", method, error }, "a stream ended with an error");
      });
      handler(grpcCall.request, call, grpcCall).catch((error: unknown) => {
        // grpc-js turns an "error" event into the status of the stream; destroy() would end it without one.
        grpcCall.emit("error", this.#refuse(error, call));
      });
    };
  }

  /** Tells what was left out of the log. */
  close(): void {
    this.#refusals.close();
  }

  /** Counts and logs a call that never reached its handler. */
  refusedEarly(refusal: { readonly method: string; readonly code: string; readonly connection: Connection }): void {
    const { method, code, connection } = refusal;
    this.#count(method, code);
    const { peerName: peer, address } = connection;
    this.#refusals.write("warn", { method, code, peer, address }, "refused before it reached its handler");
  }

  #describe<Request, Response>(
    method: string,
    grpcCall: ServerUnaryCall<Request, Response> | ServerWritableStream<Request, Response>,
  ): Call {
    const { metadata } = grpcCall;
    const header = (name: string): string | undefined => {
      const [value] = metadata.get(name);
      return typeof value === "string" ? value : undefined;
    };
    return {
      method,
      connection: this.#options.connectionOf(metadata),
      requestId: this.#requestId(header("x-request-id")),
      header,
      cancelled: () => grpcCall.cancelled,
    };
  }

  #requestId(given: string | undefined): string {
    if (given !== undefined && REQUEST_ID.test(given)) return given;
    return Buffer.from(this.#options.random.bytes(12)).toString("base64url");
  }

  #refuse(error: unknown, call: Call): ReturnType<typeof toServiceError> {
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
    const serviceError = toServiceError(error);
    serviceError.metadata?.set("mca-request-id", requestId);
    return serviceError;
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

/** @throws ApiError MCA_REQUEST_INVALID */
function parse<Request>(read: (bytes: Buffer) => Request, message: Buffer): Request {
  try {
    return read(message);
  } catch (cause) {
    throw unreadableMessage(cause instanceof Error ? cause.message : "unknown reason", cause);
  }
}
