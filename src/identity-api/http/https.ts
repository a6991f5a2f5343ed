// The HTTPS listener as a whole: whose certificate it shows, what it serves, and what it has to say to operators. What is wrong with it
// makes nobody unready: identities are issued without it.

import type { Clock, Lifecycle, Logger, Metrics } from "../../runtime/index.ts";
import type { TrustSet } from "../../spiffe/index.ts";
import type { IdentitySource } from "../../tls/index.ts";
import type { Config } from "../config/index.ts";
import type { Note, Readiness } from "../readiness.ts";
import { CertificateFiles } from "./certificate-files.ts";
import { createWebApp } from "./web-app.ts";
import { WebPort } from "./web-port.ts";

export interface HttpsOptions {
  readonly config: Pick<Config, "listen" | "limits">;
  /** The server's own SVID, shown where no files are configured; undefined: there will never be one. */
  readonly ownIdentity: IdentitySource | undefined;
  /** What the bundle tells. @throws ApiError MCA_BUNDLE_UNAVAILABLE */
  trust(): TrustSet;
  readonly readiness: Readiness;
  readonly lifecycle: Lifecycle;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

/** What is begun and not ended when the server stops: an answer takes milliseconds, a slow reader takes as long as it is let. */
const CLOSE_GRACE_MS = 500;
const ABOUT = "listen.https";

/**
 * Starts the listener, which closes with the lifecycle.
 * @returns where it listens, undefined while it is closed or switched off
 * @throws TlsError MCA_TLS_LISTEN_FAILED
 */
export async function startHttps(options: HttpsOptions): Promise<{ readonly address: WebPort["address"] }> {
  const { config, ownIdentity, trust, readiness, lifecycle, clock, logger, metrics } = options;
  const { enabled, host, port: tcpPort } = config.listen.https;
  if (!enabled) return { address: undefined };
  const files = certificateFilesOf(options);
  await files?.start();
  lifecycle.add("HTTPS certificate", () => files?.close());
  const identity = files ?? ownIdentity;
  if (identity === undefined) {
    readiness.addNotes(() => [
      noteOf("This server gets no SVID of its own, and no certificateFile is set: the port is closed."),
    ]);
    return { address: undefined };
  }
  const { app, server } = await createWebApp({ trust, logger, metrics });
  lifecycle.add("HTTPS routes", () => app.close());
  const port = new WebPort({
    address: { host, port: tcpPort },
    identity,
    server,
    maxConnections: config.limits.maxHttpsConnections,
    handshakeTimeoutMs: config.limits.handshakeTimeoutSeconds * 1000,
    clock,
    logger,
    metrics,
  });
  lifecycle.add("HTTPS port", () => port.close(CLOSE_GRACE_MS));
  await port.start();
  readiness.addNotes(() => {
    const problem = port.problem();
    return [...(files?.problems() ?? []), ...(problem === undefined ? [] : [problem.sentence])].map(noteOf);
  });
  return port;
}

function certificateFilesOf({ config, clock, logger }: HttpsOptions): CertificateFiles | undefined {
  const { certificateFile, keyFile } = config.listen.https;
  if (certificateFile === null || keyFile === null) return undefined;
  return new CertificateFiles({ certificateFile, keyFile, clock, logger });
}

function noteOf(sentence: string): Note {
  return { about: ABOUT, sentence };
}
