// A workload in Go that knows only the published .proto (test/foreign/go) meets a workload of our SDK: both enrol by token, and
// speak mTLS in both directions before and after each of them rotated. Go's crypto/x509 and go-spiffe are the judges there.
import assert from "node:assert/strict";
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { after, before, describe, test } from "node:test";
import { capture, projectRoot } from "../../scripts/lib/command.ts";
import { type MeshServer, SvidSource } from "../../src/identity-client/index.ts";
import { publishedAnchors } from "../../src/spiffe/index.ts";
import { connectTls } from "../../src/tls/index.ts";
import { createWebLeaf, startWeb, trustWith, WEB_NAME, webRoot } from "../identity-api/http/https-support.ts";
import { createRoot, freshKey } from "../support/pki.ts";
import { ServerProcess } from "../support/server-process.ts";
import { identityOf } from "../tls/support/endpoints.ts";

const GO_FOLDER = join(projectRoot, "test/foreign/go");
const GO_ID = "spiffe://foreign.test/go";
const NODE_ID = "spiffe://foreign.test/node";

describe("go", () => {
  const folder = mkdtempSync(join(tmpdir(), "mesh-ca-go-"));
  chmodSync(folder, 0o711);
  let server: ServerProcess;
  let node: SvidSource;
  let nodeServer: MeshServer;
  let nodeAddress: string;
  let go: GoWorkload;

  before(async () => {
    const program = await buildGoWorkload(folder);
    server = await ServerProcess.initialise(folder, {
      main: "src/cli/main.ts",
      trustDomain: "foreign.test",
      config: {
        attestors: { token: { kind: "join-token" } },
        rules: [
          { name: "foreign", match: { "token.service": "*" }, spiffeId: "spiffe://{trustDomain}/{token.service}" },
        ],
      },
    });
    server.spawn();
    await server.ready();
    const [nodeToken = "", goToken = ""] = await server.tokens(["node", "go"]);
    node = await SvidSource.start({ joinToken: { text: nodeToken }, memoryOnly: true });
    nodeServer = node.createTlsServer({ allow: GO_ID }, (socket) => socket.pipe(socket));
    const bound = await nodeServer.listen({ host: "127.0.0.1", port: 0 });
    nodeAddress = `127.0.0.1:${bound.port}`;
    writeFileSync(join(folder, "go.token"), `${goToken}\n`, { mode: 0o600 });
    go = new GoWorkload(program);
  });
  after(async () => {
    go?.close();
    await nodeServer?.close(0);
    await node?.close();
    await server?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  let goAddress: string;
  let goSerial: string;

  test("a Go program enrols with the published .proto; crypto/x509 and go-spiffe verify what it got", async () => {
    const enrolled = await go.ask(`enrol ${join(folder, "go.token")}`);
    assert.equal(enrolled["id"], GO_ID);
    goSerial = evenHex(text(enrolled, "serial"));
    goAddress = text(await go.ask(`serve ${NODE_ID}`), "address");
  });

  test("a token that another key redeemed is refused to a second Go program", async () => {
    const thief = new GoWorkload(join(folder, "workload"));
    try {
      await assert.rejects(thief.ask(`enrol ${join(folder, "go.token")}`), /redeemed/i);
    } finally {
      thief.close();
    }
  });

  test("go-spiffe fetches the bundle by https_web, with every root, and refuses the endpoint under another CA", async () => {
    const roots = [createRoot({ subject: "One" }), createRoot({ subject: "Two", key: freshKey("rsa-2048") })];
    const trust = trustWith(roots, 41n, 77);
    await using web = await startWeb({ trust: () => trust });
    const names = [
      { kind: "dns", value: WEB_NAME },
      { kind: "dns", value: "localhost" },
    ] as const;
    web.identity.set(identityOf(createWebLeaf({ names })));
    const [good, other] = [join(folder, "web-ca.pem"), join(folder, "other-ca.pem")];
    writeFileSync(good, webRoot.pem);
    writeFileSync(other, createRoot().pem);
    const url = `https://localhost:${web.port}/v1/bundle`;
    const fetched = await go.ask(`bundle example.test ${url} ${good}`);
    assert.deepEqual([fetched["sequence"], fetched["refreshHintSeconds"]], [41, 77]);
    const expected = publishedAnchors(trust).map(({ der }) => Buffer.from(der).toString("base64"));
    assert.deepEqual(fetched["authorities"], expected);
    await assert.rejects(go.ask(`bundle example.test ${url} ${other}`), /unknown authority/);
  });

  test("mTLS from Go to a SvidSource server, and from a SvidSource to a Go server", async () => {
    await goCallsNode();
    await nodeCallsGo();
  });

  test("each side refuses a peer with another identity than the one it expects", async () => {
    await assert.rejects(go.ask(`call ${nodeAddress} ${GO_ID}`), /unexpected ID/i);
    await assert.rejects(connect(goAddress, NODE_ID), { code: "MCA_PEER_ID_UNEXPECTED" });
  });

  test("both directions go on across a rotation of either side", async () => {
    const nodeBefore = node.current().serial;
    await node.renew();
    assert.notEqual(node.current().serial, nodeBefore);
    assert.equal(await goCallsNode(), node.current().serial, "the server still shows the old certificate");

    const renewed = evenHex(text(await go.ask("renew"), "serial"));
    assert.notEqual(renewed, goSerial);
    assert.equal(await nodeCallsGo(), renewed, "the Go server still shows the old certificate");
    await goCallsNode();
  });

  /** Go calls our server; answers the serial it saw, in our form. */
  async function goCallsNode(): Promise<string> {
    const answer = await go.ask(`call ${nodeAddress} ${NODE_ID}`);
    assert.equal(answer["line"], "hello from go");
    return evenHex(text(answer, "peerSerial"));
  }

  /** We call the Go server; answers the serial it showed. */
  async function nodeCallsGo(): Promise<string> {
    const { chainPem, keyPem, notAfter } = node.current();
    const [host = "", port = ""] = goAddress.split(":");
    let shown = "";
    const socket = await connectTls({
      host,
      port: Number(port),
      alpn: [],
      identity: { certificateChainPem: chainPem, privateKeyPem: keyPem, notAfter },
      verify: (chain) => {
        shown = node.verifyPeer(chain, GO_ID).serial;
      },
    });
    try {
      socket.setEncoding("utf8").write("hello from node\n");
      assert.deepEqual(await readLine(socket), ["hello from node\n"]);
      return shown;
    } finally {
      socket.destroy();
    }
  }

  function connect(address: string, expect: string): ReturnType<SvidSource["connect"]> {
    const [host = "", port = ""] = address.split(":");
    return node.connect({ host, port: Number(port), expect });
  }
});

type Answer = Readonly<Record<string, unknown>>;

/** The Go program, obeying one line at a time. */
class GoWorkload {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;

  constructor(program: string) {
    this.#process = spawn(program, [], { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.#process.stdout });
  }

  async ask(command: string): Promise<Answer> {
    const line = new Promise<string>((resolve, reject) => {
      this.#lines.once("line", resolve).once("close", () => reject(new Error("the Go program ended")));
    });
    this.#process.stdin.write(`${command}\n`);
    const answer: Answer = JSON.parse(await line);
    if (typeof answer["error"] === "string") throw new Error(answer["error"]);
    return answer;
  }

  close(): void {
    this.#process.kill();
  }
}

/** Generates Go code from our .proto with the generators that go.mod pins, and compiles the program. */
async function buildGoWorkload(folder: string): Promise<string> {
  const program = join(folder, "workload");
  await mustRun("buf", ["generate", "../../../src/proto", "--template", "buf.gen.yaml"]);
  await mustRun("go", ["vet", "./..."]);
  await mustRun("go", ["build", "-o", program, "."]);
  return program;
}

async function mustRun(command: string, args: readonly string[]): Promise<void> {
  const result = await capture(command, args, { cwd: GO_FOLDER });
  if (result.code !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${result.code}:\n${result.output}`);
}

function readLine(socket: Readable): Promise<readonly string[]> {
  return new Promise((resolve, reject) => {
    socket.once("data", (chunk: string) => resolve([chunk])).once("error", reject);
  });
}

function text(answer: Answer, name: string): string {
  const value = answer[name];
  assert.ok(typeof value === "string", `the Go program gave no ${name}`);
  return value;
}

function evenHex(hex: string): string {
  return hex.length % 2 === 0 ? hex : `0${hex}`;
}
