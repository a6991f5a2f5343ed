// The operations listener: plain HTTP on the loopback interface, for probes and for Prometheus. Tells nothing secret and takes
// nothing: GET only, small headers, short timeouts.
import fastify, { type FastifyInstance } from "fastify";
import type { Logger } from "../../runtime/index.ts";
import { ApiError } from "../api-error.ts";
import type { Readiness } from "../readiness.ts";
import { healthRoutes } from "./health.ts";
import { metricsRoutes } from "./metrics.ts";

export interface OperationsOptions {
  readonly host: string;
  readonly port: number;
  readonly readiness: Readiness;
  prometheusText(): Promise<string>;
  readonly logger: Logger;
}

export interface OperationsListener {
  readonly address: { readonly host: string; readonly port: number };
  close(): Promise<void>;
}

const HEADERS_MS = 10_000;
/** Node looks for overdue requests this often; its own 30 s would let them live three times as long. */
const CHECK_MS = 2_000;
const MAX_HEADER_BYTES = 8_192;

/** The routes alone; tests use inject(). */
export function operationsApp(options: OperationsOptions): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: 1,
    requestTimeout: HEADERS_MS,
    keepAliveTimeout: HEADERS_MS,
    forceCloseConnections: true,
    http: { maxHeaderSize: MAX_HEADER_BYTES, headersTimeout: HEADERS_MS, connectionsCheckingInterval: CHECK_MS },
  });
  app.register(healthRoutes, options);
  app.register(metricsRoutes, options);
  app.setErrorHandler((error, _request, reply) => {
    options.logger.error({ event: "operations.failed", error }, "an operations request failed");
    reply.code(500).send({ code: "MCA_INTERNAL" });
  });
  return app;
}

/** Listens. @throws ApiError MCA_LISTEN_FAILED */
export async function startOperations(options: OperationsOptions): Promise<OperationsListener> {
  const app = operationsApp(options);
  try {
    await app.listen({ host: options.host, port: options.port });
  } catch (error) {
    await app.close();
    throw new ApiError(
      "MCA_LISTEN_FAILED",
      `The operations listener cannot open ${options.host}:${options.port}. Free the port, or set listen.operations.`,
      {
        cause: error,
      },
    );
  }
  const address = app.server.address();
  if (address === null || typeof address === "string") throw new TypeError("a TCP server has an address and a port");
  return { address: { host: address.address, port: address.port }, close: () => app.close() };
}
