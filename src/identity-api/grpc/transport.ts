// The gRPC server behind our own listeners (TLS port and admin socket): it is handed sockets whose peer has been judged, and
// carries that judgement to the handlers. Never reads `socket.authorized` and never uses getAuthContext() (spec/tls.md).
import { AsyncLocalStorage } from "node:async_hooks";
import type { IncomingHttpHeaders, ServerHttp2Stream } from "node:http2";
import { Duplex } from "node:stream";
import {
  type Metadata,
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptor,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import type { Connection } from "../connection.ts";
import { codedStatus, type PartialStatusObject, requestTimedOut, statusFor } from "./coded-status.ts";
import { answerDirectly, type DirectMethod, type DirectUnaryOptions, isPlainCall } from "./direct-unary.ts";
import { WaitingRequests } from "./waiting-requests.ts";

export interface TransportLimits {
  readonly maxConcurrentStreams: number;
  readonly maxMessageBytes: number;
  readonly maxSessionMemoryMegabytes: number;
  readonly streamResetBurst: number;
  readonly streamResetPerSecond: number;
  readonly keepaliveSeconds: number;
  readonly idleConnectionSeconds: number;
  readonly requestTimeoutSeconds: number;
  readonly maxWaitingRequests: number;
}

export interface TransportOptions {
  readonly limits: TransportLimits;
  /** A call that grpc-js itself refused before a handler saw it (too large, malformed, deadline): for the log and the count. */
  onRefused(refusal: { readonly method: string; readonly code: string; readonly connection: Connection }): void;
}

/** How long a peer may take to answer a keepalive ping. */
const KEEPALIVE_TIMEOUT_MS = 20_000;
const DRAIN_POLL_MS = 20;
/** How often overdue requests are looked for. */
const SWEEP_MS = 500;
/** Stands for the method's name where no such method is known. */
const UNKNOWN_METHOD = "unknown";

export class GrpcTransport {
  readonly server: Server;
  readonly #injector: ReturnType<Server["createConnectionInjector"]>;
  readonly #sockets = new Map<Duplex, Connection>();
  readonly #accepting = new AsyncLocalStorage<Connection>();
  readonly #peers = new WeakMap<Metadata, Connection>();
  readonly #options: TransportOptions;
  readonly #waiting: WaitingRequests;
  readonly #sweeper: NodeJS.Timeout;
  #direct: DirectUnaryOptions | undefined;
  #draining: Promise<void> | undefined;

  constructor(options: TransportOptions) {
    const { limits } = options;
    this.#options = options;
    this.#waiting = new WaitingRequests({
      timeoutMs: limits.requestTimeoutSeconds * 1000,
      maxWaiting: limits.maxWaitingRequests,
      now: () => performance.now(),
    });
    this.#sweeper = setInterval(() => this.#waiting.sweep(), SWEEP_MS);
    this.#sweeper.unref();
    this.server = new Server({
      "grpc.max_concurrent_streams": limits.maxConcurrentStreams,
      "grpc.max_receive_message_length": limits.maxMessageBytes,
      "grpc-node.max_session_memory": limits.maxSessionMemoryMegabytes,
      "grpc.keepalive_time_ms": limits.keepaliveSeconds * 1000,
      "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
      "grpc.max_connection_idle_ms": limits.idleConnectionSeconds * 1000,
      "grpc.enable_channelz": 0,
      interceptors: [this.#carryPeer(options.onRefused)],
    });
    limitStreamResets(this.server, limits);
    this.#routeStreams();
    this.#codeEarlyErrors(options.onRefused);
    this.#injector = this.server.createConnectionInjector(ServerCredentials.createInsecure());
  }

  add(definition: ServiceDefinition, implementation: UntypedServiceImplementation): void {
    this.server.addService(definition, implementation);
  }

  /** Answers a unary method without the call objects of grpc-js. The method must have been added as well, for unusual calls. */
  addDirect(method: DirectMethod): void {
    this.#direct = {
      method,
      maxMessageBytes: this.#options.limits.maxMessageBytes,
      begin: (end) => this.#waiting.begin(end),
      onRefused: ({ code }, connection) => this.#options.onRefused({ method: method.path, code, connection }),
    };
  }

  /** Takes over a socket whose peer was judged. */
  accept(socket: Duplex, connection: Connection): void {
    this.#sockets.set(socket, connection);
    socket.once("close", () => this.#sockets.delete(socket));
    this.#accepting.run(connection, () => this.#injector.injectConnection(socket));
  }

  /** The connection that a call came over, by the call's metadata. Throws a TypeError where nobody judged the peer: our bug. */
  connectionOf(metadata: Metadata): Connection {
    const connection = this.#peers.get(metadata);
    if (connection === undefined) throw new TypeError("a call without a judged peer");
    return connection;
  }

  /** Calls whose request has not wholly come. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Open connections. */
  get connections(): ReadonlyMap<Duplex, Connection> {
    return this.#sockets;
  }

  /** Refuses new calls, lets those in flight end, and after `graceMs` destroys what is left. */
  drain(graceMs: number): Promise<void> {
    this.#draining ??= this.#drain(graceMs);
    return this.#draining;
  }

  async #drain(graceMs: number): Promise<void> {
    this.#injector.drain(graceMs);
    const polls = Math.ceil(graceMs / DRAIN_POLL_MS);
    for (let poll = 0; poll < polls && this.#sockets.size > 0; poll++) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    }
    for (const socket of this.#sockets.keys()) socket.destroy();
    clearInterval(this.#sweeper);
    this.#injector.destroy();
    this.server.forceShutdown();
  }

  /** Every stream passes here first: the direct method's calls are answered here, all others by grpc-js. */
  #routeStreams(): void {
    const handle = privateMethod(this.server, STREAM_HANDLER);
    const opened = privateMethod(this.server, STREAM_OPENED);
    Reflect.set(this.server, STREAM_HANDLER, (...given: [unknown, ServerHttp2Stream, IncomingHttpHeaders]) => {
      const [, stream, headers] = given;
      const connection = this.#accepting.getStore();
      if (this.#direct === undefined || connection === undefined || !isPlainCall(headers, this.#direct.method.path)) {
        handle(...given);
        return;
      }
      // Whatever goes wrong with a stream also closes it, and nothing more can be told to the peer.
      stream.on("error", () => {});
      opened(stream);
      answerDirectly(this.#direct, stream, headers, connection);
    });
  }

  /** Without a handler no interceptor runs, so an unknown method gets its code here. */
  #codeEarlyErrors(onRefused: TransportOptions["onRefused"]): void {
    const original = privateMethod(this.server, RESPOND_WITH_ERROR);
    Reflect.set(this.server, RESPOND_WITH_ERROR, (error: PartialStatusObject, ...rest: unknown[]) => {
      const coded = codedStatus(error);
      const connection = this.#accepting.getStore();
      // The name of the method is the caller's: it must not become a label of a metric.
      if (coded.added !== undefined && connection !== undefined) {
        onRefused({ method: UNKNOWN_METHOD, code: coded.added, connection });
      }
      original(coded.status, ...rest);
    });
  }

  /**
   * The store is lost before the handler runs, so the interceptor, which still sees it, ties the connection to the call's
   * metadata, which the handler gets. It also gives a code to every status that grpc-js makes up itself.
   */
  #carryPeer(onRefused: TransportOptions["onRefused"]): ServerInterceptor {
    return (method, call) => {
      const connection = this.#accepting.getStore();
      if (connection === undefined) throw new TypeError("a call on a connection that nobody judged");
      const sendStatus = call.sendStatus.bind(call);
      call.sendStatus = (status) => {
        const coded = codedStatus(status);
        if (coded.added !== undefined) onRefused({ method: method.path, code: coded.added, connection });
        sendStatus(coded.status);
      };
      const request = this.#waiting.begin(() => {
        const error = requestTimedOut();
        onRefused({ method: method.path, code: error.code, connection });
        sendStatus(statusFor(error));
        closeStream(call);
      });
      return new ServerInterceptingCall(call, {
        start: (next) =>
          next({
            onReceiveMetadata: (metadata, pass) => {
              this.#peers.set(metadata, connection);
              pass(metadata);
            },
            onReceiveMessage: (message, pass) => {
              if (method.requestStream) request.again();
              pass(message);
            },
            onReceiveHalfClose: (pass) => {
              request.done();
              pass();
            },
            onCancel: () => request.done(),
          }),
      });
    };
  }
}

/** A peer that never ends its half would keep the stream. A test notices when grpc-js keeps it elsewhere. */
function closeStream(call: object): void {
  const stream: unknown = Reflect.get(call, "stream");
  if (stream instanceof Duplex && "close" in stream && typeof stream.close === "function") stream.close();
}

/** Private methods by which grpc-js takes a stream, and notes it for its idle timeout. A test notices when they are gone. */
const STREAM_HANDLER = "_streamHandler";
const STREAM_OPENED = "onStreamOpened";

function privateMethod(server: Server, name: string): (...given: unknown[]) => unknown {
  const method: unknown = Reflect.get(server, name);
  if (typeof method !== "function") throw new TypeError(`this version of grpc-js has no ${name}: see GrpcTransport`);
  return (...given) => Reflect.apply(method, server, given);
}

/** The private method by which grpc-js answers a call for which it finds no handler. A test notices when it is gone. */
const RESPOND_WITH_ERROR = "_respondWithError";

/**
 * grpc-js has no option for the allowance of stream resets (CVE-2023-44487, rapid reset); node:http2 has. A test notices
 * when this stops working.
 */
function limitStreamResets(server: Server, limits: TransportLimits): void {
  const common: unknown = Reflect.get(server, "commonServerOptions");
  if (typeof common !== "object" || common === null) {
    throw new TypeError("this version of grpc-js keeps its HTTP/2 options elsewhere: see limitStreamResets");
  }
  Object.assign(common, { streamResetBurst: limits.streamResetBurst, streamResetRate: limits.streamResetPerSecond });
}
