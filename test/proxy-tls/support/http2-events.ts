// What an engine told of one exchange, in order, for tests of one engine.
import {
  type AbortCause,
  type ClientEvents,
  NO_BODY,
  NO_FIELDS,
  type RequestHandler,
  type RequestHead,
  type ResponseHead,
  type ServerExchange,
  type UpstreamFailure,
} from "../../../src/proxy-tls/http/exchange.ts";
import { NO_SAFE_FIELDS } from "../../../src/proxy-tls/http/fields/index.ts";

/** How an exchange ended. */
export type Ending = "end" | AbortCause["kind"];

export class ServerTold {
  readonly exchange: ServerExchange;
  readonly told: string[] = [];
  body: Buffer = Buffer.alloc(0);
  trailers: readonly string[] = NO_FIELDS;
  cause: AbortCause | undefined;
  readonly ended = Promise.withResolvers<Ending>();
  readonly aborted = Promise.withResolvers<AbortCause>();

  constructor(exchange: ServerExchange) {
    this.exchange = exchange;
  }
}

/** A handler that notes what it is told. `act` may answer. */
export function recordingHandler(act: (told: ServerTold) => void = () => {}): {
  readonly handler: RequestHandler;
  readonly exchanges: ServerTold[];
  /** The n-th exchange, when it is there. */
  exchange(index: number): Promise<ServerTold>;
} {
  const exchanges: ServerTold[] = [];
  const waiting: (() => void)[] = [];
  return {
    exchanges,
    exchange: (index) =>
      new Promise((resolve) => {
        const look = (): void => {
          const told = exchanges[index];
          if (told === undefined) waiting.push(look);
          else resolve(told);
        };
        look();
      }),
    handler: (exchange) => {
      const told = new ServerTold(exchange);
      exchanges.push(told);
      act(told);
      for (const look of waiting.splice(0)) look();
      return {
        data: (chunk) => {
          told.told.push("data");
          told.body = Buffer.concat([told.body, chunk]);
        },
        end: (trailers) => {
          told.told.push("end");
          told.trailers = trailers;
          told.ended.resolve("end");
        },
        aborted: (cause) => {
          told.told.push("aborted");
          told.cause = cause;
          told.ended.resolve(cause.kind);
          told.aborted.resolve(cause);
        },
        writable: () => told.told.push("writable"),
      };
    },
  };
}

export class ClientTold implements ClientEvents {
  readonly told: string[] = [];
  body: Buffer = Buffer.alloc(0);
  response: ResponseHead | undefined;
  readonly interims: (readonly [status: number, fields: readonly string[]])[] = [];
  trailers: readonly string[] = NO_FIELDS;
  failure: UpstreamFailure | undefined;
  readonly ended = Promise.withResolvers<Ending>();
  readonly answered = Promise.withResolvers<void>();

  interim(status: 100 | 103, fields: readonly string[]): void {
    this.told.push("interim");
    this.interims.push([status, fields]);
  }
  head(head: ResponseHead): void {
    this.told.push("head");
    this.response = head;
    this.answered.resolve();
  }
  data(chunk: Uint8Array): void {
    this.told.push("data");
    this.body = Buffer.concat([this.body, chunk]);
  }
  end(trailers: readonly string[]): void {
    this.told.push("end");
    this.trailers = trailers;
    this.ended.resolve("end");
  }
  writable(): void {
    this.told.push("writable");
  }
  failed(failure: UpstreamFailure): void {
    this.told.push("failed");
    this.failure = failure;
    this.ended.resolve(failure.cause.kind);
  }
}

/** A request's head as the screens would give it. */
export function requestHead(changes: Partial<RequestHead> = {}): RequestHead {
  return {
    version: "2",
    method: "GET",
    target: "/",
    path: "/",
    authority: "example.test",
    fields: NO_SAFE_FIELDS,
    body: NO_BODY,
    expectsContinue: false,
    acceptsTrailers: false,
    close: false,
    ...changes,
  };
}
