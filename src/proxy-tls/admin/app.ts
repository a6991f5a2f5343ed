// The admin listener: plain HTTP on the loopback interface, for probes, for Prometheus and for whoever looks after the proxy. It tells
// no key and no secret, and takes nothing: GET only, small heads, short deadlines, few connections, and only for a Host that is an
// address or localhost, so that no page in a browser of this machine reads it under a name of its own.
import fastify, { type FastifyInstance } from "fastify";
import type { Clock, Logger } from "../../runtime/index.ts";
import { createTelemetry } from "../../runtime/telemetry.ts";
import { ProxyError } from "../errors.ts";
import { presentMetrics } from "../observe/present.ts";
import { certificatesPage } from "./certificates.ts";
import { primaryMetrics } from "./primary-metrics.ts";
import type { AdminView } from "./view.ts";

const REQUEST_MS = 10_000;
/** Node looks for overdue requests so many times in that time; its own 30 s would let them live three times as long. */
const CHECKS = 5;
const MAX_HEADER_BYTES = 8_192;
const MAX_CONNECTIONS = 64;
const LOCAL_HOST = /^(?:localhost|\d{1,3}(?:\.\d{1,3}){3}|\[[0-9a-f:.]+\])(?::\d{1,5})?$/i;

export interface AdminOptions {
  readonly view: AdminView;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The longest that a request may take to come, its head and the rest, and the longest silence between two. Default 10,000. */
  readonly requestMs?: number | undefined;
}

export interface AdminListener {
  readonly address: { readonly host: string; readonly port: number };
  close(): Promise<void>;
}

/** The routes alone; tests use inject(). */
export function adminApp({ view, clock, logger, requestMs = REQUEST_MS }: AdminOptions): FastifyInstance {
  const telemetry = createTelemetry("mesh-ca-proxy", async () => [
    ...presentMetrics(await view.metrics()),
    ...primaryMetrics(view),
  ]);
  const app = fastify({
    logger: false,
    bodyLimit: 1,
    exposeHeadRoutes: false,
    requestTimeout: requestMs,
    keepAliveTimeout: requestMs,
    forceCloseConnections: true,
    http: {
      maxHeaderSize: MAX_HEADER_BYTES,
      headersTimeout: requestMs,
      connectionsCheckingInterval: Math.ceil(requestMs / CHECKS),
    },
  });
  app.server.maxConnections = MAX_CONNECTIONS;
  app.addHook("onRequest", async (request, reply) => {
    if (!LOCAL_HOST.test(request.headers.host ?? "")) return reply.code(421).send({ status: "ask by address" });
  });
  app.addHook("onClose", () => telemetry.close());
  app.get("/healthz", async () => ({ status: "alive" }));
  app.get("/readyz", async (_request, reply) => {
    const reasons = view.notReady();
    const ready = reasons.length === 0;
    return reply.code(ready ? 200 : 503).send({ status: ready ? "ready" : "not ready", reasons, notes: view.notes() });
  });
  app.get("/metrics", async (_request, reply) =>
    reply.type("text/plain; version=0.0.4; charset=utf-8").send(await telemetry.prometheusText()),
  );
  app.get("/certs", async () => certificatesPage(view.state(), clock.now()));
  app.get("/config", async () => ({
    config: view.config,
    policies: view.policies(),
    reloads: view.reloads(),
    workers: view.workers(),
    crashes: view.crashes,
  }));
  app.setErrorHandler((error, _request, reply) => {
    const status = statusOf(error);
    if (status < 500) return reply.code(status).send({ status: "refused" });
    logger.error({ event: "proxy.admin_failed", error }, "a request to the admin listener failed");
    return reply.code(500).send({ status: "failed; see the log" });
  });
  return app;
}

/** What a client has done wrong is its own status and no fault of ours: nobody fills the log with it. */
function statusOf(error: unknown): number {
  if (typeof error !== "object" || error === null || !("statusCode" in error)) return 500;
  return typeof error.statusCode === "number" ? error.statusCode : 500;
}

/** Listens at the configuration's `admin`. @throws ProxyError MCA_PROXY_LISTEN_FAILED */
export async function startAdmin(options: AdminOptions): Promise<AdminListener> {
  const { host, port } = options.view.config.admin;
  const app = adminApp(options);
  try {
    await app.listen({ host, port });
  } catch (cause) {
    await app.close();
    throw new ProxyError(
      "MCA_PROXY_LISTEN_FAILED",
      `The admin listener cannot open ${host} port ${port}. Free the port, or set admin.port.`,
      { cause },
    );
  }
  const address = app.server.address();
  if (address === null || typeof address === "string") throw new TypeError("a TCP server has an address and a port");
  return { address: { host: address.address, port: address.port }, close: () => app.close() };
}
