// The demo: the main job of mesh-ca from nothing to an audited record, on a real server. Each step says what it does and checks
// that it happened; the first expectation that does not hold ends the demo with an error.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SvidSource } from "../../identity-client/index.ts";
import { type Issuance, ListIssuancesRequest } from "../../proto/gen/meshca/identity/v1/admin.ts";
import { type Connection, withConnection } from "../connection.ts";
import { CliError } from "../errors.ts";
import { table, time } from "../output.ts";
import { startPlainService } from "./plain-service.ts";
import { askOnce, member, ProxyProcess } from "./proxy-process.ts";
import { RequestStream } from "./request-stream.ts";
import { answerToStranger, isAnonymousServed, secondRedemption } from "./strangers.ts";
import { startTemporaryDomain } from "./temporary-domain.ts";
import { createToken } from "./tokens.ts";

const TRUST_DOMAIN = "demo.example.test";
const CART = `spiffe://${TRUST_DOMAIN}/cart`;
const WEB = `spiffe://${TRUST_DOMAIN}/web`;
const FORGED = `spiffe://${TRUST_DOMAIN}/admin`;
const POLICIES = [
  {
    name: "web-reads",
    action: "allow",
    rules: [{ from: { ids: [WEB] }, to: { methods: ["GET"] } }],
  },
  { name: "nobody-administers", action: "deny", rules: [{ to: { paths: ["/admin/**"] } }] },
];
const POLICY_SENTENCES = [
  `"web-reads" allows ${WEB} to GET; "nobody-administers" denies /admin to everybody.`,
  "What no policy allows is denied.",
];
const INBOUND = { direction: "inbound", name: "cart", protocol: "http", host: "127.0.0.1", port: 0 };
const OUTBOUND = {
  ...{ direction: "outbound", name: "cart", protocol: "http", listen: { port: 0 } },
  ...{ expect: [CART], authorities: ["cart"] },
};
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
  await using parts = new AsyncDisposableStack();
  say(
    "2. Two services that speak plain HTTP, each with `mesh-ca proxy run` beside it. The proxies enrol with a join token each;",
  );
  say("   their keys are made by them and never leave them.");
  const cart = await startPlainService();
  parts.defer(() => cart.close());
  const policyFile = join(folder, "policies.yaml");
  await writeFile(policyFile, JSON.stringify({ policies: POLICIES }, undefined, 2));
  const cartToken = await createToken(server, "cart");
  const start = async (
    name: string,
    token: string,
    config: Readonly<Record<string, unknown>>,
  ): Promise<ProxyProcess> => {
    const joinTokenFile = join(folder, `${name}.token`);
    await writeFile(joinTokenFile, token, { mode: 0o600 });
    const identity = { kind: "mesh-ca", stateDir: join(folder, `${name}-state`), joinTokenFile };
    const proxy = await ProxyProcess.start({ name, folder, config: { identity, ...config }, signal });
    parts.defer(() => proxy.stop());
    return proxy;
  };
  const cartProxy = await start("cart", cartToken, {
    policyFile,
    listeners: [{ ...INBOUND, target: { port: cart.port } }],
  });
  const cartPort = cartProxy.port("cart");
  say(`   cart's proxy takes mTLS at 127.0.0.1:${cartPort} and forwards to cart, port ${cart.port}. Its policies:`);
  for (const sentence of POLICY_SENTENCES) say(`   ${sentence}`);
  const webProxy = await start("web", await createToken(server, "web"), {
    listeners: [{ ...OUTBOUND, targets: [{ host: "127.0.0.1", port: cartPort }] }],
  });
  const webPort = webProxy.port("cart");
  say(`   web's proxy takes plain HTTP at 127.0.0.1:${webPort} and calls ${CART} over mTLS, and nobody else.`);
  signal.throwIfAborted();

  say("3. web calls cart, in plain HTTP. Between the proxies it is mTLS, and each has checked the other's SPIFFE ID.");
  const stream = new RequestStream({ port: webPort, host: "cart", expected: `hello ${WEB}` });
  parts.defer(() => stream.stop());
  await until("the first answer", () => stream.answered > 0 || stream.failures.length > 0, 10_000, signal);
  expect(stream.failures.length === 0, `the first request is answered (${stream.failures[0]?.message ?? ""})`);
  say(`   cart answered: "hello ${WEB}". It knows that from x-forwarded-client-cert, which only its proxy can set:`);
  const forged = await askOnce(webPort, "/", { host: "cart", "x-forwarded-client-cert": `URI=${FORGED}` });
  expect(
    forged === `hello ${WEB}`,
    `a forged x-forwarded-client-cert is removed (cart said ${JSON.stringify(forged)})`,
  );
  say(`   a request that claims to be ${FORGED} got the same answer.`);

  say("4. Requests keep running while both certificates rotate; a certificate lives for 8 seconds here.");
  const rotated = (): boolean => cartProxy.rotations >= ROTATIONS && webProxy.rotations >= ROTATIONS;
  const look = (): Promise<unknown> => Promise.all([cartProxy.look(), webProxy.look()]);
  await until(`${ROTATIONS} rotations of both`, rotated, ROTATION_LIMIT_MS, signal, look);
  await sleep(500);
  await stream.stop();
  const failure = stream.failures[0];
  say(
    `   ${stream.answered} requests were answered and ${stream.failures.length} failed; cart rotated ${cartProxy.rotations} times, web ${webProxy.rotations} times.`,
  );
  expect(failure === undefined, `no request fails during a rotation (${failure?.message ?? ""})`);

  say("5. What is not allowed is refused, and the log says by what.");
  const denied = await askOnce(webPort, "/admin", { host: "cart" });
  expect(denied.includes("MCA_PROXY_DENIED"), `what a policy denies is denied (${denied})`);
  say(`   web asks for /admin: ${denied.trim()}`);
  const lineOf = () => cartProxy.accessLines.find(({ target }) => target === "/admin");
  await until("the line in the access log", () => lineOf() !== undefined, 10_000, signal);
  const line = lineOf();
  expect(member(line?.["decision"], "policy") === "nobody-administers", "the access log names the policy");
  say(`   cart's access log: peer ${String(line?.["peer"])}, decision ${JSON.stringify(line?.["decision"])}`);
  const stranger = await SvidSource.start({
    joinToken: { text: await createToken(server, "stranger") },
    stateDir: join(folder, "stranger"),
  });
  parts.defer(() => stranger.close());
  expect((await answerToStranger(cartPort, stranger, CART)).startsWith("HTTP/1.1 403 "), "a stranger is refused");
  say("   A workload of the same trust domain that no policy names (a program with the SDK, no proxy): 403.");
  expect(!(await isAnonymousServed(cartPort, stranger, CART)), "a caller without a certificate is not served");
  say("   A caller without a certificate: cart's proxy closed the connection.");
  const refusal = await secondRedemption(cartToken);
  expect(refusal?.code === "MCA_TOKEN_REDEEMED", `a redeemed token is refused (${refusal?.code ?? "it was accepted"})`);
  say(`   Somebody with cart's token, a second time: ${refusal?.message ?? ""} (${refusal?.code ?? ""})`);
  signal.throwIfAborted();

  say(
    "6. The record of everything that was issued (mesh-ca audit list). Each entry was durable before its signature existed.",
  );
  const issued = await listIssuances(server);
  say(indent(recordTable(issued)));
  const recorded = new Set(issued.map(({ serial }) => serial));
  for (const serial of [...cartProxy.serials, ...webProxy.serials, stranger.current().serial]) {
    expect(recorded.has(serial), `certificate ${serial} is in the record`);
  }
  say("   Every certificate that the workloads have held is in it.");
  return {
    requests: stream.answered,
    failed: stream.failures.length,
    rotations: { cart: cartProxy.rotations, web: webProxy.rotations },
    issued: issued.length,
    refusals: ["MCA_PROXY_DENIED", "another identity", "no certificate", refusal?.code ?? ""],
  };
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

async function until(
  what: string,
  holds: () => boolean,
  limitMs: number,
  signal: AbortSignal,
  look?: () => Promise<unknown>,
): Promise<void> {
  const end = performance.now() + limitMs;
  while (!holds()) {
    expect(performance.now() < end, `${what} come within ${limitMs / 1_000} s`);
    await sleep(look === undefined ? 25 : 200, undefined, { signal });
    await look?.();
  }
}
