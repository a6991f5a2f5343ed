// A trust domain in a temporary folder: a real server with its own PostgreSQL, on ports that the system chooses.
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { initialise, parseConfig, type RunningServer, startServer } from "../../identity-api/index.ts";
import { createLogger } from "../../runtime/index.ts";

/** Seconds; so short that a watcher sees rotations happen. */
const DEFAULT_TTL_SECONDS = 8;

export interface TemporaryDomain extends AsyncDisposable {
  readonly folder: string;
  readonly server: RunningServer;
  /** SHA-256 of the authority's key, lower-case hex. */
  readonly authority: string;
}

/**
 * Creates the trust domain and starts its server. Disposing stops both and removes every trace.
 * @param ttlSeconds how long a certificate lives; 8 by default, 5 at least
 */
export async function startTemporaryDomain(
  trustDomain: string,
  { ttlSeconds = DEFAULT_TTL_SECONDS }: { readonly ttlSeconds?: number } = {},
): Promise<TemporaryDomain> {
  const folder = await mkdtemp(join(tmpdir(), "mesh-ca-demo-"));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true, maxRetries: 5 });
  try {
    // As root PostgreSQL runs as a user of its own, who must be able to pass through.
    await chmod(folder, 0o711);
    const config = parseConfig({
      trustDomain,
      dataDir: join(folder, "data"),
      listen: {
        grpc: { host: "127.0.0.1", port: 0 },
        https: { host: "127.0.0.1", port: 0 },
        operations: { host: "127.0.0.1", port: 0 },
      },
      issuance: { minTtlSeconds: 5, defaultTtlSeconds: ttlSeconds },
      attestors: { token: { kind: "join-token" } },
      rules: [{ name: "demo", match: { "token.service": "*" }, spiffeId: "spiffe://{trustDomain}/{token.service}" }],
      log: { level: "error" },
    });
    const logger = createLogger({ level: "error" });
    const { authority } = await initialise({ config, development: true, logger });
    const server = await startServer(config, { logger });
    return {
      folder,
      server,
      authority,
      async [Symbol.asyncDispose]() {
        await server.close();
        await remove();
      },
    };
  } catch (error) {
    await remove();
    throw error;
  }
}
