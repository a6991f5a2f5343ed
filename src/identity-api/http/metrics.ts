// /metrics in the Prometheus text format.
import type { FastifyPluginCallback } from "fastify";

export const metricsRoutes: FastifyPluginCallback<{ prometheusText(): Promise<string> }> = (app, options, done) => {
  app.get("/metrics", async (_request, reply) =>
    reply.type("text/plain; version=0.0.4; charset=utf-8").send(await options.prometheusText()),
  );
  done();
};
