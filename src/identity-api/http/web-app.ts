// The application behind the HTTPS listener: what others may read of us. Every route has a row in the access table; a request with a
// body, with headers by the hundred, or that is no HTTP is refused before anything is done with it. Errors are JSON: code and sentence.
import type { Server } from "node:http";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { type Logger, MeshCaError, type Metrics } from "../../runtime/index.ts";
import { type Caller, requireAccess } from "../access/index.ts";
import { ApiError } from "../api-error.ts";
import { describeError } from "../errors.ts";
import { boundedHttpServer, type ProtocolFault } from "./bounded-server.ts";
import { type BundleRoutesOptions, bundleRoutes } from "./bundle.ts";

export interface WebAppOptions extends BundleRoutesOptions {
  readonly logger: Logger;
  readonly metrics: Metrics;
}

export interface WebApp {
  readonly app: FastifyInstance;
  /** Takes connections by `emit("connection", socket)`; never listens. */
  readonly server: Server;
}

const MAX_HEADERS = 100;
/** When to ask again while there is nothing to tell. */
const RETRY_AFTER_SECONDS = 30;
/** The statuses that occur, so that no caller chooses a label. */
const STATUSES = [200, 304, 400, 403, 404, 405, 408, 417, 431, 500, 503];

/** Nobody is asked who they are (rule F-4), so that everybody is a stranger. */
const STRANGER: Caller = { verdict: { kind: "anonymous" }, roles: new Set(), development: false };

/** The routes and the server for them; tests use inject(), and `extend` to look at the routes and add some. */
export async function createWebApp(options: WebAppOptions, extend?: (app: FastifyInstance) => void): Promise<WebApp> {
  const { logger, metrics } = options;
  const counter = metrics.counter("mesh_ca_https_requests_total", {
    description: "Answered requests of the HTTPS listener, by status.",
  });
  const counters = new Map(STATUSES.map((status) => [status, counter.bind({ status: String(status) })]));
  const server: { made?: Server } = {};
  const app = fastify({
    logger: false,
    bodyLimit: 1,
    serverFactory: (handler) => {
      server.made = boundedHttpServer({ handler, faultFor });
      return server.made;
    },
    // The server has its own.
    clientErrorHandler() {},
    frameworkErrors: (error, _request, reply) => void answer(error, reply, logger),
  });
  app.addHook("onRequest", async (request) => check(request));
  app.addHook("onResponse", async (_request, reply) => counters.get(reply.statusCode)?.add(1));
  app.setErrorHandler((error, _request, reply) => answer(error, reply, logger));
  app.setNotFoundHandler(() => {
    throw unknownPath();
  });
  extend?.(app);
  app.register(bundleRoutes, options);
  await app.ready();
  if (server.made === undefined) throw new TypeError("fastify asks for its server when it is made");
  return { app, server: server.made };
}

/** Before routing has an effect and before a body is read. @throws ApiError, AccessError */
function check({ raw, method, is404, routeOptions, server }: FastifyRequest): void {
  if (raw.rawHeaders.length / 2 > MAX_HEADERS) throw tooManyHeaders();
  if (is404) {
    const path = (raw.url ?? "").replace(/\?.*$/s, "");
    throw server.hasRoute({ method: "GET", url: path }) ? wrongMethod() : unknownPath();
  }
  if (hostsIn(raw.rawHeaders) !== 1) {
    throw new ApiError("MCA_REQUEST_INVALID", "A request names exactly one host: send one header Host.");
  }
  const { "transfer-encoding": encoding, "content-length": length } = raw.headers;
  if (encoding !== undefined || (length !== undefined && length !== "0")) {
    throw new ApiError("MCA_REQUEST_INVALID", "This request takes no body: send it without one.");
  }
  // HEAD is GET without the body.
  requireAccess(`${method === "HEAD" ? "GET" : method} ${routeOptions.url ?? ""}`, STRANGER);
}

/** Node keeps the first of several; another reader may keep the last. */
function hostsIn(rawHeaders: readonly string[]): number {
  return rawHeaders.filter((text, at) => at % 2 === 0 && text.toLowerCase() === "host").length;
}

async function answer(error: unknown, reply: FastifyReply, logger: Logger): Promise<FastifyReply> {
  const { code, http, level, sentence } = describeError(ours(error));
  if (level === "error") logger.error({ event: "https.failed", code, error }, "a request of the HTTPS listener failed");
  reply.code(http).header("cache-control", "no-store").header("content-type", "application/json");
  if (http === 405) reply.header("allow", "GET, HEAD");
  if (http === 503) reply.header("retry-after", RETRY_AFTER_SECONDS);
  // What may still come of a refused request is never read as the next one.
  reply.header("connection", "close");
  return reply.send(Buffer.from(JSON.stringify({ code, sentence })));
}

/** Fastify's own errors about a request, in our words. */
function ours(error: unknown): unknown {
  if (error instanceof MeshCaError || !(error instanceof Error) || !("statusCode" in error)) return error;
  const { statusCode } = error;
  if (typeof statusCode !== "number" || statusCode < 400 || statusCode > 499) return error;
  return new ApiError("MCA_REQUEST_INVALID", "The request cannot be read: look at its path and its headers.", {
    cause: error,
  });
}

function faultFor(code: string): ProtocolFault {
  if (code === "HPE_HEADER_OVERFLOW") return faultOf(431, tooManyHeaders());
  if (code === "ERR_HTTP_REQUEST_TIMEOUT") {
    return faultOf(408, new ApiError("MCA_REQUEST_TIMEOUT", "The request did not come whole in time: send it again."));
  }
  return faultOf(400, new ApiError("MCA_REQUEST_INVALID", "This is not a request of HTTP/1.1 as RFC 9112 has it."));
}

function faultOf(status: ProtocolFault["status"], { code, message }: ApiError): ProtocolFault {
  return { status, body: JSON.stringify({ code, sentence: message }) };
}

function tooManyHeaders(): ApiError {
  return new ApiError("MCA_HEADERS_TOO_LARGE", `Headers may have 8 KiB together and be ${MAX_HEADERS} in number.`);
}

function unknownPath(): ApiError {
  return new ApiError("MCA_NOT_FOUND", "There is nothing at this path. The trust bundle is at /v1/bundle.");
}

function wrongMethod(): ApiError {
  return new ApiError("MCA_METHOD_NOT_ALLOWED", "This path takes GET and HEAD.");
}
