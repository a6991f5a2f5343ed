// The demo: the main job of mesh-ca from nothing to an audited record, on a real server. Each step says what it does and checks
// that it happened; the first expectation that does not hold ends the demo with an error.
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SvidSource } from "../../identity-client/index.ts";
import { type Issuance, ListIssuancesRequest } from "../../proto/gen/meshca/identity/v1/admin.ts";
import { type Connection, withConnection } from "../connection.ts";
import { CliError } from "../errors.ts";
import { table, time } from "../output.ts";
import { RequestStream } from "./request-stream.ts";
import { isAnonymousServed, isStrangerServed, secondRedemption } from "./strangers.ts";
import { startTemporaryDomain } from "./temporary-domain.ts";

const TRUST_DOMAIN = "demo.example.test";
const CART = `spiffe://${TRUST_DOMAIN}/cart`;
const WEB = `spiffe://${TRUST_DOMAIN}/web`;
const ROTATIONS = 2;
const ROTATION_LIMIT_MS = 40_000;

export interface DemoResult {
  readonly requests: number;
  readonly failed: number;
  readonly rotations: { readonly cart: number; readonly web: number };
  readonly issued: number;
  readonly refusals: readonly string[];
}

/** Runs the demo. `say` gets the sentences for people. @throws CliError MCA_DEMO_FAILED */
export async function runDemo(say: (text: string) => void, signal: AbortSignal): Promise<DemoResult> {
  say(`1. Setting up the trust domain ${TRUST_DOMAIN}: a server with its own PostgreSQL, in a temporary folder.`);
  await using domain = await startTemporaryDomain(TRUST_DOMAIN);
  signal.throwIfAborted();
  say(
    `   The server issues at ${domain.server.publicAddress}; its authority's key is ${domain.authority.slice(0, 16)}...`,
  );
  // Awaited here: what it throws must be held before the server is stopped.
  return await withConnection({ socket: domain.server.adminSocket }, (server) =>
    act(server, domain.folder, say, signal),
  );
}

async function act(
  server: Connection,
  folder: string,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<DemoResult> {
  say("2. Two workloads enrol with a join token each. Their keys are made by them and never leave them.");
  await using workloads = new AsyncDisposableStack();
  const enrol = async (service: string): Promise<{ source: Rotating; token: string }> => {
    const token = await createToken(server, service);
    const source = new Rotating(
      await SvidSource.start({ joinToken: { text: token }, stateDir: join(folder, service) }),
    );
    workloads.defer(() => source.svid.close());
    const { id, notAfter, logIndex } = source.svid.current();
    say(`   ${service} is ${id.toString()} until ${time(notAfter)}; entry ${logIndex} of the ledger says so.`);
    return { source, token };
  };
  const { source: cart, token } = await enrol("cart");
  const { source: web } = await enrol("web");
  signal.throwIfAborted();

  say("3. web calls cart over mTLS. Each checks the other's SPIFFE ID; cart serves web and nobody else.");
  const https = cart.svid.createHttpsServer({ allow: WEB }, (_request, response, peer) => {
    response.end(`hello ${peer.id.toString()}`);
  });
  workloads.defer(() => https.close(0));
  const { port } = await https.listen({ host: "127.0.0.1", port: 0 });
  const agent = web.svid.httpsAgent({ expect: CART });
  workloads.defer(() => agent.destroy());
  const stream = new RequestStream({ agent, port, expected: `hello ${WEB}` });
  workloads.defer(() => stream.stop());
  await until("the first answer", () => stream.answered > 0 || stream.failures.length > 0, 10_000, signal);
  expect(stream.failures.length === 0, `the first request is answered (${stream.failures[0]?.message ?? ""})`);
  say(`   cart answered: "hello ${WEB}".`);

  say("4. Requests keep running while both certificates rotate; a certificate lives for 8 seconds here.");
  const rotated = (): boolean => cart.rotations >= ROTATIONS && web.rotations >= ROTATIONS;
  await until(`${ROTATIONS} rotations of both`, rotated, ROTATION_LIMIT_MS, signal);
  await sleep(500);
  await stream.stop();
  const failure = stream.failures[0];
  say(
    `   ${stream.answered} requests were answered and ${stream.failures.length} failed; cart rotated ${cart.rotations} times, web ${web.rotations} times.`,
  );
  expect(failure === undefined, `no request fails during a rotation (${failure?.message ?? ""})`);

  say("5. Strangers are refused.");
  expect(!(await isAnonymousServed(port, web.svid, CART)), "a caller without a certificate is not served");
  say("   A caller without a certificate: cart closed the connection.");
  const { source: stranger } = await enrol("stranger");
  expect(!(await isStrangerServed(port, stranger.svid, CART)), "a workload with another identity is not served");
  say("   A workload of the same trust domain that cart does not name: cart closed the connection.");
  const refusal = await secondRedemption(token);
  expect(refusal?.code === "MCA_TOKEN_REDEEMED", `a redeemed token is refused (${refusal?.code ?? "it was accepted"})`);
  say(`   Somebody with cart's token, a second time: ${refusal?.message ?? ""} (${refusal?.code ?? ""})`);
  signal.throwIfAborted();

  say(
    "6. The record of everything that was issued (mesh-ca audit list). Each entry was durable before its signature existed.",
  );
  const issued = await listIssuances(server);
  say(indent(recordTable(issued)));
  const recorded = new Set(issued.map(({ serial }) => serial));
  for (const source of [cart, web, stranger]) {
    for (const serial of source.serials) expect(recorded.has(serial), `certificate ${serial} is in the record`);
  }
  say("   Every certificate that the workloads have held is in it.");
  return {
    requests: stream.answered,
    failed: stream.failures.length,
    rotations: { cart: cart.rotations, web: web.rotations },
    issued: issued.length,
    refusals: ["no certificate", "another identity", refusal?.code ?? ""],
  };
}

/** A source whose certificates are remembered. */
class Rotating {
  readonly svid: SvidSource;
  readonly serials = new Set<string>();

  constructor(source: SvidSource) {
    this.svid = source;
    this.serials.add(source.current().serial);
    source.onChange(() => this.serials.add(source.current().serial));
  }

  get rotations(): number {
    return this.serials.size - 1;
  }
}

async function createToken(server: Connection, service: string): Promise<string> {
  const request = { attributes: { service }, ttlSeconds: 0, server: "" };
  return (await server.call(server.tokens.createJoinToken.bind(server.tokens), request)).token;
}

async function listIssuances(server: Connection): Promise<Issuance[]> {
  const request = ListIssuancesRequest.fromPartial({ pageSize: 1000 });
  return (await server.call(server.audit.listIssuances.bind(server.audit), request)).issuances;
}

function recordTable(issued: readonly Issuance[]): string {
  const rows = issued.map((row) => [
    row.logIndex.toString(),
    time(row.issuedAt),
    row.spiffeId,
    row.serial.slice(0, 10),
    row.requester.length > 44 ? `${row.requester.slice(0, 41)}...` : row.requester,
  ]);
  return table(["INDEX", "ISSUED", "SPIFFE ID", "SERIAL", "ASKED BY"], rows);
}

function indent(text: string): string {
  return text.replaceAll(/^/gm, "   ");
}

function expect(holds: boolean, what: string): void {
  if (holds) return;
  throw new CliError("MCA_DEMO_FAILED", `The demo expected that ${what}, and it is not so. Please report this.`);
}

async function until(what: string, holds: () => boolean, limitMs: number, signal: AbortSignal): Promise<void> {
  const end = performance.now() + limitMs;
  while (!holds()) {
    expect(performance.now() < end, `${what} come within ${limitMs / 1_000} s`);
    await sleep(25, undefined, { signal });
  }
}
