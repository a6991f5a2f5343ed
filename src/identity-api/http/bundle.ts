// GET /v1/bundle: the newest trust bundle, for everybody (SPIFFE Federation, rules F-4 and F-5). HEAD comes with it.
import type { FastifyPluginCallback } from "fastify";
import type { TrustSet } from "../../spiffe/index.ts";
import { BundleDocuments, isKnownToClient } from "./bundle-document.ts";

export interface BundleRoutesOptions {
  /** What is published. @throws ApiError MCA_BUNDLE_UNAVAILABLE while there is nothing to tell */
  trust(): TrustSet;
}

/** Where the bundle is; docs and access table name the same path. */
export const BUNDLE_PATH = "/v1/bundle";

export const bundleRoutes: FastifyPluginCallback<BundleRoutesOptions> = (app, { trust }, done) => {
  const documents = new BundleDocuments();
  app.get(BUNDLE_PATH, async (request, reply) => {
    const { body, etag, cacheControl } = documents.of(trust());
    reply.header("etag", etag).header("cache-control", cacheControl);
    if (isKnownToClient(request.headers["if-none-match"], etag)) return reply.code(304).send();
    // No charset: JSON is UTF-8, and the media type knows no such parameter (RFC 8259, section 11).
    return reply.header("content-type", "application/json").send(body);
  });
  done();
};
