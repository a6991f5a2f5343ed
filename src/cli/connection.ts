// How a command reaches a server: by the local admin socket (the owner of the data directory, no password), or over mTLS with the
// identity that `svid fetch` wrote. Our own verifier judges the server in the second case.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { type ChannelCredentials, type ClientUnaryCall, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import type { Command } from "commander";
import { fromServiceError, IdentityClientError, trustSetOfSnapshot } from "../identity-client/index.ts";
import {
  AuditServiceClient,
  RegistryServiceClient,
  TokenServiceClient,
} from "../proto/gen/meshca/identity/v1/admin.ts";
import { AuthorityServiceClient } from "../proto/gen/meshca/identity/v1/authority.ts";
import { IdentityServiceClient, type TrustSnapshot } from "../proto/gen/meshca/identity/v1/identity.ts";
import { systemClock } from "../runtime/index.ts";
import { expectServer, parseTrustFile, type TrustSet, X509SvidVerifier } from "../spiffe/index.ts";
import { meshChannelCredentials, meshChannelOptions } from "../tls/channel-credentials.ts";
import type { TlsIdentity } from "../tls/index.ts";
import { decodePem, parseCertificate } from "../x509/index.ts";
import { CliError } from "./errors.ts";
import { readTextFile } from "./parse.ts";
import { dataDirFor } from "./server-config.ts";

const CALL_TIMEOUT_MS = 30_000;

export interface ConnectionOptions {
  readonly socket?: string;
  readonly server?: string;
  readonly svid?: string;
  readonly dataDir?: string;
  readonly reason?: string;
}

/** Adds the options that say how to reach the server. */
export function addConnectionOptions(command: Command): Command {
  return command
    .option("--socket <path>", "admin socket of a server on this machine (or MESH_CA_SOCKET); the default way")
    .option("--data-dir <dir>", "data directory whose admin socket is meant")
    .option("--server <host:port>", "server to call over mTLS (or MESH_CA_SERVER); needs --svid")
    .option("--svid <dir>", "identity to call with, as `mesh-ca svid fetch --out DIR` wrote it (or MESH_CA_SVID)")
    .option("--reason <text>", "why, for the ledger; asked for on the admin socket of a production trust domain");
}

/** The clients of one server. */
export class Connection {
  readonly identity: IdentityServiceClient;
  readonly registry: RegistryServiceClient;
  readonly tokens: TokenServiceClient;
  readonly audit: AuditServiceClient;
  readonly authorities: AuthorityServiceClient;
  readonly #address: string;
  readonly #metadata = new Metadata();
  readonly #verdict: () => Error | undefined;

  constructor(target: Target, reason: string | undefined) {
    const { address, channel, verdict } = target;
    const options = { ...meshChannelOptions, "grpc.use_local_subchannel_pool": 1 };
    this.identity = new IdentityServiceClient(address, channel, options);
    const shared = { channelOverride: this.identity.getChannel() };
    this.registry = new RegistryServiceClient(address, channel, shared);
    this.tokens = new TokenServiceClient(address, channel, shared);
    this.audit = new AuditServiceClient(address, channel, shared);
    this.authorities = new AuthorityServiceClient(address, channel, shared);
    this.#address = address;
    this.#verdict = verdict;
    if (reason !== undefined) this.#metadata.set("mca-reason", reason);
  }

  /** One call. @throws ServerRefusal, IdentityClientError */
  call<Request, Response>(
    method: (
      request: Request,
      metadata: Metadata,
      options: { deadline: number },
      callback: (error: ServiceError | null, response: Response) => void,
    ) => ClientUnaryCall,
    request: Request,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const deadline = systemClock.now() + CALL_TIMEOUT_MS;
      method(request, this.#metadata, { deadline }, (error, response) => {
        if (error === null) resolve(response);
        else reject(fromServiceError(error, this.#address, this.#verdict()));
      });
    });
  }

  /** What is trusted: the first message of WatchTrust. */
  async trust(): Promise<{ readonly trust: TrustSet; readonly snapshot: TrustSnapshot }> {
    const snapshot = await new Promise<TrustSnapshot>((resolve, reject) => {
      const stream = this.identity.watchTrust({ trustDomain: "" }, this.#metadata);
      const timer = setTimeout(() => stream.cancel(), CALL_TIMEOUT_MS);
      stream.on("data", ({ update }) => {
        if (update?.$case === "snapshot") resolve(update.value);
        clearTimeout(timer);
        stream.cancel();
      });
      stream.on("error", (error) => {
        clearTimeout(timer);
        reject(fromServiceError(error, this.#address, this.#verdict()));
      });
    });
    return { trust: trustSetOfSnapshot(snapshot), snapshot };
  }

  close(): void {
    this.identity.close();
  }
}

interface Target {
  readonly address: string;
  readonly channel: ChannelCredentials;
  verdict(): Error | undefined;
}

/** Opens the connection that the options mean, runs `use`, and closes it. */
export async function withConnection<T>(
  options: ConnectionOptions,
  use: (connection: Connection) => Promise<T>,
): Promise<T> {
  const connection = new Connection(await targetOf(options), options.reason);
  try {
    return await use(connection);
  } finally {
    connection.close();
  }
}

async function targetOf(options: ConnectionOptions): Promise<Target> {
  const server = options.server ?? (options.socket === undefined ? process.env["MESH_CA_SERVER"] : undefined);
  if (server !== undefined && options.socket !== undefined) {
    throw new CliError("MCA_CLI_USAGE", "--socket and --server are given together; give one of them.");
  }
  return server === undefined ? socketTarget(options) : mtlsTarget(server, options.svid ?? process.env["MESH_CA_SVID"]);
}

function socketTarget(options: ConnectionOptions): Target {
  const path = options.socket ?? process.env["MESH_CA_SOCKET"] ?? join(dataDirFor(options), "run", "admin.sock");
  if (!existsSync(path)) {
    const sentence = `There is no admin socket ${path}. Start the server (npx mesh-ca server), name its socket (--socket) or data directory (--data-dir), or call it over the network (--server HOST:PORT --svid DIR).`;
    // Where its folder is, the server has been here, and is stopped; else the path is wrong.
    if (existsSync(dirname(path))) throw new IdentityClientError("MCA_SERVER_UNAVAILABLE", sentence);
    throw new CliError("MCA_CLI_FILE", sentence);
  }
  // Plain HTTP/2: the folder's mode lets in only the owner.
  return { address: `unix:${path}`, channel: credentials.createInsecure(), verdict: () => undefined };
}

async function mtlsTarget(server: string, svidDir: string | undefined): Promise<Target> {
  if (svidDir === undefined) {
    throw new CliError(
      "MCA_CLI_USAGE",
      "--server needs --svid DIR, the identity to call with (npx mesh-ca svid fetch --out DIR).",
    );
  }
  const folder = existsSync(join(svidDir, "current")) ? join(svidDir, "current") : svidDir;
  const read = (name: string): Promise<string> => readTextFile("--svid", join(folder, name));
  const certificateChainPem = await read("svid.pem");
  const leaf = parseCertificate(decodePem(certificateChainPem)[0]?.der ?? new Uint8Array());
  const identity: TlsIdentity = {
    certificateChainPem,
    privateKeyPem: await read("svid_key.pem"),
    notAfter: leaf.notAfter,
  };
  const verifier = new X509SvidVerifier(parseTrustFile(await read("trust.json")));
  let verdict: Error | undefined;
  const channel = meshChannelCredentials({
    identity: () => identity,
    verify: (chain) => expectServer(verifier.verify(chain, systemClock.now())),
    onFailure: (error) => {
      verdict = error instanceof Error ? error : undefined;
    },
  });
  return { address: `dns:${server}`, channel, verdict: () => verdict };
}
