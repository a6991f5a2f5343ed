// /healthz: the process answers. /readyz: identities are issued, or why not.
import type { FastifyPluginCallback } from "fastify";
import type { Readiness } from "../readiness.ts";

export const healthRoutes: FastifyPluginCallback<{ readonly readiness: Readiness }> = (app, { readiness }, done) => {
  app.get("/healthz", async () => ({ status: "alive" }));
  app.get("/readyz", async (_request, reply) => {
    const { ready, reasons, notes } = readiness.state;
    return reply.code(ready ? 200 : 503).send({ status: ready ? "ready" : "not ready", reasons, notes });
  });
  done();
};
