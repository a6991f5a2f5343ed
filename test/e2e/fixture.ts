// A real server in this process and callers that know only the API. Its database is one of its own in the test run's PostgreSQL,
// given by URL, or (`embedded`) a PostgreSQL of its own in its data directory.
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Client, credentials, type Metadata, type ServiceError } from "@grpc/grpc-js";
import { type Config, initialise, parseConfig, type RunningServer, startServer } from "../../src/identity-api/index.ts";
import {
  AuditServiceClient,
  CreateJoinTokenRequest,
  type Issuance,
  ListIssuancesRequest,
  RegistryServiceClient,
  TokenServiceClient,
} from "../../src/proto/gen/meshca/identity/v1/admin.ts";
import { AuthorityServiceClient, ListAuthoritiesRequest } from "../../src/proto/gen/meshca/identity/v1/authority.ts";
import {
  IdentityServiceClient,
  type IssueX509SvidRequest,
  type IssueX509SvidResponse,
} from "../../src/proto/gen/meshca/identity/v1/identity.ts";
import { type Clock, systemClock } from "../../src/runtime/index.ts";
import { meshChannelCredentials, meshChannelOptions } from "../../src/tls/channel-credentials.ts";
import type { TlsIdentity } from "../../src/tls/index.ts";
import { createCsr, encodePem } from "../../src/x509/index.ts";
import { call } from "../support/api-client.ts";
import { createTestDatabase, type TestDatabase, temporaryFolder } from "../support/postgres.ts";
import { TestLog } from "../support/test-log.ts";
import { until } from "../support/until.ts";

export const TRUST_DOMAIN = "example.test";

export { TestLog, until };

export function testConfig(dataDir: string, changes: Record<string, unknown> = {}): Config {
  return parseConfig({
    trustDomain: TRUST_DOMAIN,
    dataDir,
    listen: {
      grpc: { host: "127.0.0.1", port: 0 },
      https: { host: "127.0.0.1", port: 0 },
      operations: { port: 0 },
    },
    issuance: { minTtlSeconds: 5 },
    attestors: { token: { kind: "join-token" } },
    rules: [{ name: "services", match: { "token.service": "*" }, spiffeId: "spiffe://{trustDomain}/{token.service}" }],
    limits: { shutdownGraceSeconds: 5 },
    ...changes,
  });
}

export interface Identity extends TlsIdentity {
  readonly response: IssueX509SvidResponse;
  readonly key: KeyObject;
}

export interface TestServer {
  readonly server: RunningServer;
  readonly dataDir: string;
  readonly config: Config;
  readonly log: TestLog;
  /** Unset: embedded. */
  readonly database: TestDatabase | undefined;
  readonly address: string;
  /** Stops the server and keeps the data. */
  stop(): Promise<void>;
  close(): Promise<void>;
}

export interface TestServerOptions {
  readonly changes?: Record<string, unknown>;
  readonly clock?: Clock;
  readonly development?: boolean;
  /** A PostgreSQL of its own in the data directory. */
  readonly embedded?: boolean;
  /** Start on the data of another one that was stopped. */
  readonly again?: TestServer;
}

export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const { clock = systemClock, development = true, again, embedded = false } = options;
  const log = new TestLog();
  const folder = again === undefined ? await temporaryFolder() : dirname(again.dataDir);
  const database = again === undefined && !embedded ? await createTestDatabase() : undefined;
  const config = again?.config ?? testConfig(join(folder, "data"), options.changes);
  const withDatabase: Config =
    database === undefined ? config : { ...config, database: { ...config.database, url: database.connectionString } };
  if (again === undefined) await initialise({ config: withDatabase, development, logger: log.logger, clock });
  const server = await startServer(withDatabase, { logger: log.logger, clock });
  return {
    server,
    dataDir: join(folder, "data"),
    config: withDatabase,
    log,
    database: database ?? again?.database,
    get address() {
      return `127.0.0.1:${server.addresses.grpc?.port}`;
    },
    stop: () => server.close(),
    async close() {
      await server.close();
      await (database ?? again?.database)?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export { call };

const clients = new Set<Client>();
let localClients = new WeakMap<RunningServer, ReturnType<typeof openLocal>>();

/** Closes every client that the tests of this file opened. */
export function closeClients(): void {
  for (const client of clients) client.close();
  clients.clear();
  localClients = new WeakMap();
}

function track<C extends Client>(client: C): C {
  clients.add(client);
  return client;
}

const ownPool = { "grpc.use_local_subchannel_pool": 1, "grpc.enable_retries": 0 };

/** A connection of its own over TLS. It takes any server: what clients check is the SDK's matter. */
export function connect(address: string, identity?: TlsIdentity): IdentityServiceClient {
  const channel = meshChannelCredentials({ identity: () => identity, verify: () => {} });
  return track(new IdentityServiceClient(address, channel, { ...meshChannelOptions, ...ownPool }));
}

export function auditOver(address: string, identity: TlsIdentity): AuditServiceClient {
  const channel = meshChannelCredentials({ identity: () => identity, verify: () => {} });
  return track(new AuditServiceClient(address, channel, { ...meshChannelOptions, ...ownPool }));
}

export function authoritiesOver(address: string, identity?: TlsIdentity): AuthorityServiceClient {
  const channel = meshChannelCredentials({ identity: () => identity, verify: () => {} });
  return track(new AuthorityServiceClient(address, channel, { ...meshChannelOptions, ...ownPool }));
}

/** The authorities as an operator sees them. */
export async function authoritiesOf(server: RunningServer, includeRemoved = false) {
  const { authorities } = local(server);
  return call(authorities, authorities.listAuthorities, ListAuthoritiesRequest.fromPartial({ includeRemoved }));
}

/** The admin socket: one set of clients for each server, because the socket takes a bounded number of connections. */
export function local(server: RunningServer): ReturnType<typeof openLocal> {
  const known = localClients.get(server) ?? openLocal(server);
  localClients.set(server, known);
  return known;
}

function openLocal(server: RunningServer) {
  const address = `unix:${server.adminSocket}`;
  const plain = credentials.createInsecure();
  return {
    identity: track(new IdentityServiceClient(address, plain, ownPool)),
    tokens: track(new TokenServiceClient(address, plain, ownPool)),
    registry: track(new RegistryServiceClient(address, plain, ownPool)),
    audit: track(new AuditServiceClient(address, plain, ownPool)),
    authorities: track(new AuthorityServiceClient(address, plain, ownPool)),
  };
}

/** The error of a call that must fail: its status, its code, its sentence. */
export async function refusal(promise: Promise<unknown>): Promise<{ code: number; mca: string; details: string }> {
  try {
    await promise;
  } catch (error) {
    const failure = error as ServiceError;
    if (failure.metadata === undefined) throw error;
    return { code: failure.code, mca: String(failure.metadata.get("mca-code")[0]), details: failure.details };
  }
  throw new Error("the call was answered, not refused");
}

export async function createToken(
  server: RunningServer,
  attributes: Record<string, string>,
  ttlSeconds = 0,
): Promise<string> {
  const { tokens } = local(server);
  const request = CreateJoinTokenRequest.fromPartial({ attributes, ttlSeconds });
  return (await call(tokens, tokens.createJoinToken, request)).token;
}

export function newKey(): KeyObject {
  return generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
}

export function issue(
  client: IdentityServiceClient,
  request: Partial<IssueX509SvidRequest>,
  options: { readonly metadata?: Metadata; readonly timeoutMs?: number } = {},
): Promise<IssueX509SvidResponse> {
  return call(
    client,
    client.issueX509Svid,
    { csr: new Uint8Array(), evidence: undefined, ttlSeconds: 0, ...request },
    options,
  );
}

export function identityOf(response: IssueX509SvidResponse, key: KeyObject): Identity {
  return {
    response,
    key,
    certificateChainPem: response.certificateChain.map((der) => encodePem("CERTIFICATE", der)).join(""),
    privateKeyPem: key.export({ type: "pkcs8", format: "pem" }).toString(),
    notAfter: response.notAfter?.getTime() ?? 0,
  };
}

/** First enrolment by a fresh join token. */
export async function enrol(on: TestServer, service: string, ttlSeconds = 0): Promise<Identity> {
  const key = newKey();
  const joinToken = await createToken(on.server, { service });
  const response = await issue(connect(on.address), {
    csr: createCsr({ key }),
    evidence: { $case: "joinToken", value: joinToken },
    ttlSeconds,
  });
  return identityOf(response, key);
}

/** Renewal over a connection that was made with an SVID; a fresh key unless one is given. */
export async function renew(client: IdentityServiceClient, key = newKey(), ttlSeconds = 0): Promise<Identity> {
  return identityOf(await issue(client, { csr: createCsr({ key }), ttlSeconds }), key);
}

export async function listed(on: TestServer, filter: Partial<ListIssuancesRequest> = {}): Promise<Issuance[]> {
  const { audit } = local(on.server);
  return (await call(audit, audit.listIssuances, { ...ListIssuancesRequest.fromPartial({}), ...filter })).issuances;
}

export async function readyz(
  on: TestServer,
): Promise<{ status: number; body: { reasons: { code: string; sentence: string }[] } }> {
  const { host, port } = on.server.addresses.operations;
  const answer = await fetch(`http://${host}:${port}/readyz`);
  return { status: answer.status, body: (await answer.json()) as { reasons: { code: string; sentence: string }[] } };
}
