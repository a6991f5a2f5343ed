// A transport with one service of stand-in handlers behind a plain TCP port: what TLS and the rest of the server add is
// tested elsewhere.
import { type ClientHttp2Session, connect as connectHttp2, type Settings } from "node:http2";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { credentials } from "@grpc/grpc-js";
import { Connection } from "../../../src/identity-api/connection.ts";
import type { Call, OutgoingStream } from "../../../src/identity-api/grpc/calls.ts";
import { Calls } from "../../../src/identity-api/grpc/calls.ts";
import { reflectionService } from "../../../src/identity-api/grpc/reflection.ts";
import { GrpcTransport, type TransportLimits } from "../../../src/identity-api/grpc/transport.ts";
import {
  IdentityServiceClient,
  IdentityServiceService,
  type IssueX509SvidRequest,
  IssueX509SvidResponse,
  type WatchTrustResponse,
} from "../../../src/proto/gen/meshca/identity/v1/identity.ts";
import {
  type LogFields,
  type Logger,
  silentLogger,
  silentMetrics,
  systemClock,
  systemRandom,
} from "../../../src/runtime/index.ts";

export const limits: TransportLimits = {
  maxConcurrentStreams: 100,
  maxMessageBytes: 20_480,
  maxSessionMemoryMegabytes: 4,
  streamResetBurst: 20,
  streamResetPerSecond: 1,
  keepaliveSeconds: 60,
  idleConnectionSeconds: 300,
  requestTimeoutSeconds: 30,
  maxWaitingRequests: 100,
};

export interface Fixture extends AsyncDisposable {
  readonly transport: GrpcTransport;
  readonly calls: Calls;
  readonly port: number;
  readonly lines: LogFields[];
  /** What was broken in a connection. */
  readonly faults: unknown[];
  client(): IdentityServiceClient;
  http2(settings?: Settings): ClientHttp2Session;
  close(): Promise<void>;
}

export async function startFixture(
  issue: (request: IssueX509SvidRequest, call: Call) => Promise<Partial<IssueX509SvidResponse>>,
  changed: Partial<TransportLimits> = {},
  watch: (stream: OutgoingStream<WatchTrustResponse>, call: Call) => Promise<void> = async () => {},
): Promise<Fixture> {
  const lines: LogFields[] = [];
  const faults: unknown[] = [];
  const note = (fields: LogFields): void => void lines.push(fields);
  const logger: Logger = { ...silentLogger, info: note, warn: note, error: note, child: () => logger };
  const transport: GrpcTransport = new GrpcTransport({
    limits: { ...limits, ...changed },
    onRefused: (refusal) => calls.refusedEarly(refusal),
    onFault: (error) => faults.push(error),
  });
  const calls: Calls = new Calls({
    clock: systemClock,
    random: systemRandom,
    logger,
    metrics: silentMetrics,
  });
  const { issueX509Svid, watchTrust, explainIdentity } = IdentityServiceService;
  transport.add({
    issue: calls.unary(issueX509Svid, async (request: IssueX509SvidRequest, call) =>
      IssueX509SvidResponse.fromPartial(await issue(request, call)),
    ),
    watch: calls.stream(watchTrust, async (_request, call, stream) => await watch(stream, call)),
    explain: calls.unary(explainIdentity, async () => {
      throw new Error("a secret inside");
    }),
  });
  transport.add(reflectionService());
  let accepted = 0;
  const server = createServer((socket: Socket) => {
    socket.on("error", () => {});
    transport.accept(socket, new Connection({ kind: "anonymous" }, `peer-${accepted++}`, 0));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const clients: IdentityServiceClient[] = [];
  const sessions: ClientHttp2Session[] = [];
  const close = async (): Promise<void> => {
    for (const client of clients) client.close();
    for (const session of sessions) session.destroy();
    server.close();
    await transport.drain(0);
  };
  return {
    transport,
    calls,
    port,
    lines,
    faults,
    client() {
      const client = new IdentityServiceClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
        "grpc.use_local_subchannel_pool": 1,
        "grpc.enable_http_proxy": 0,
        "grpc.enable_retries": 0,
      });
      clients.push(client);
      return client;
    },
    http2(settings = {}) {
      const session = connectHttp2(`http://127.0.0.1:${port}`, { settings });
      session.on("error", () => {});
      sessions.push(session);
      return session;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
