// Bug class: what one caller can send takes memory or time from the others. A whole `mesh-ca proxy run` in a process of its own is
// flooded in every way a socket allows; meanwhile a good client, from another address, gets each answer, on new connections and on
// one that it keeps, and the process stays below a ceiling of memory. (HTTP/2 floods, frame by frame: proxy-http2-floods.test.ts.)
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect as connectTcp, type Socket } from "node:net";
import { join } from "node:path";
import { Readable } from "node:stream";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { clientTlsOptions } from "../../src/tls/index.ts";
import { residentMegabytes } from "../bench/process-stats.ts";
import { endProxies, ProxyProcess } from "../e2e/proxy-process.ts";
import { temporaryDirectory } from "../identity-client/helpers.ts";
import { GET } from "../proxy-tls/support/http.ts";
import { ALLOW_ALL, world } from "../proxy-tls/support/proxy.ts";
import { connectClient } from "../proxy-tls/support/sockets.ts";
import { SvidFiles } from "../proxy-tls/support/svid-files.ts";
import { until } from "../support/until.ts";

/** What a flood may add to the process; each sends, or asks for, far more than that. */
const CEILING_MB = 128;
const ATTACKER = "127.0.0.2";
const DEADLINE_MS = 1_000;
const MEGABYTE = 1024 * 1024;

const good = world.identity("/good");
const bad = clientTlsOptions(world.identity("/bad"), { alpn: ["http/1.1"] });

/** Answers `/` at once, `/big` with 64 MB, and never reads what is sent to `/sink`. */
const backend = createServer((request, response) => {
  response.on("error", () => {});
  if (request.url === "/sink") return;
  if (request.url !== "/big") {
    request.resume();
    response.end("ok");
    return;
  }
  repeated(Buffer.alloc(64 * 1024), 64 * MEGABYTE).pipe(response);
});

let proxy: ProxyProcess;
let port = 0;
const attackers = new Set<Socket>();

before(async () => {
  await new Promise<void>((resolve) => backend.listen(0, "127.0.0.1", resolve));
  const { port: target } = backend.address() as AddressInfo;
  const svid = new SvidFiles(world);
  svid.swap({ identity: world.identity("/proxy") });
  const policyFile = join(temporaryDirectory(), "policies.json");
  writeFileSync(policyFile, JSON.stringify({ policies: [ALLOW_ALL] }));
  proxy = new ProxyProcess({
    config: {
      ...{ identity: svid.config, policyFile, workers: 1, log: { access: false } },
      timeouts: { handshakeMs: 3_000, headMs: DEADLINE_MS, bodyIdleMs: DEADLINE_MS, writeStallMs: DEADLINE_MS },
      limits: { connections: 1_000, connectionsPerAddress: 300, handshakes: 100 },
      listeners: [
        { direction: "inbound", name: "in", protocol: "http", host: "127.0.0.1", port: 0, target: { port: target } },
      ],
    },
  });
  port = await proxy.serving("in");
});

after(async () => {
  for (const socket of attackers) socket.destroy();
  await endProxies();
  backend.closeAllConnections();
  backend.close();
});

/** Runs a flood until the good client has had its answers, and says how much memory it took. */
async function underAttack(attack: (over: AbortSignal) => Promise<unknown>): Promise<void> {
  const kept = await connectClient(port, good, { alpn: ["http/1.1"] });
  await answered(kept, 1);
  const pid = proxy.child.pid ?? 0;
  const before = residentMegabytes(pid);
  let most = before;
  const sampler = setInterval(() => {
    most = Math.max(most, residentMegabytes(pid));
  }, 20);
  const over = new AbortController();
  const attacking = attack(over.signal);
  try {
    for (let call = 2; call <= 20; call++) {
      await answered(kept, call);
      const fresh = await connectClient(port, good, { alpn: ["http/1.1"] });
      await answered(fresh, 1);
      fresh.socket.destroy();
    }
    await attacking;
  } finally {
    over.abort();
    await attacking.catch(() => {});
    clearInterval(sampler);
    kept.socket.destroy();
    for (const socket of attackers) socket.destroy();
    attackers.clear();
  }
  assert.ok(most - before < CEILING_MB, `${(most - before).toFixed(0)} MB more than before`);
  await until(async () => (await openConnections()) === 0, "every connection of the flood is gone");
}

type Client = Awaited<ReturnType<typeof connectClient>>;

/** One more request on a connection, whose answer is the `count`th. */
async function answered(client: Client, count: number): Promise<void> {
  client.socket.write(GET);
  const over = (): boolean => client.ended || client.closed !== "no";
  await until(() => client.text.split("\r\n\r\nok").length - 1 === count || over(), "an answer");
  assert.ok(!over(), client.text.slice(-200));
}

const openConnections = (): Promise<number> => metric("mesh_ca_proxy_connections", "");

/** The value of a metric of the listener; 0 where it is not there yet. */
async function metric(name: string, label: string): Promise<number> {
  const { text } = await proxy.admin("/metrics");
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${name}{`) && candidate.includes(label));
  return Number(line?.split(" ").at(-1) ?? 0);
}

function plainAttacker(): Promise<Socket> {
  return started(connectTcp({ host: "127.0.0.1", port, localAddress: ATTACKER }), "connect");
}

/** Past its handshake: an attacker with a certificate of the mesh. */
async function tlsAttacker(): Promise<Socket> {
  const socket = await plainAttacker();
  return started(connectTls({ ...bad, socket }), "secureConnect");
}

function started<S extends Socket>(socket: S, event: string): Promise<S> {
  attackers.add(socket);
  socket.on("error", () => {});
  return new Promise((resolve) => {
    socket.once(event, () => resolve(socket));
    socket.once("close", () => {
      attackers.delete(socket);
      resolve(socket);
    });
  });
}

async function many(count: number, make: () => Promise<Socket>): Promise<Socket[]> {
  const made: Socket[] = [];
  const maker = async (): Promise<void> => {
    while (made.length < count) made.push(await make());
  };
  await Promise.all(Array.from({ length: 20 }, maker));
  return made;
}

/**
 * So many bytes of one piece again and again. A stream, so that this process neither encrypts what the proxy never takes nor keeps the good
 * client, who lives in it too, from sending its heads within their deadline.
 */
function repeated(piece: Buffer, bytes: number): Readable {
  return Readable.from(Array.from({ length: Math.ceil(bytes / piece.length) }, () => piece));
}

const allGone = (sockets: readonly Socket[]): Promise<void> =>
  until(() => sockets.every(({ destroyed }) => destroyed), "the proxy has ended every one");

describe("while it is flooded, a good client is served, memory stays below its ceiling, and nothing is left:", () => {
  test("silent sockets, garbage and handshakes that stop, again and again", async () => {
    await underAttack(async (over) => {
      // A ClientHello record of 512 bytes of which 300 come.
      const half = Buffer.concat([Buffer.from([22, 3, 1, 2, 0, 1, 0, 1, 252]), Buffer.alloc(300)]);
      const first = [Buffer.alloc(0), half, Buffer.from(GET), Buffer.alloc(16_384, 0xff)];
      const again = async (index: number): Promise<void> => {
        for (let round = index; !over.aborted; round++) {
          const socket = await plainAttacker();
          socket.resume().write(first[round % first.length] ?? half);
          await sleep(20);
        }
      };
      void Promise.all(Array.from({ length: 40 }, (_, index) => again(index)));
    });
  });

  test("two hundred heads that come a byte at a time", async () => {
    await underAttack(async (over) => {
      const sockets = await many(200, tlsAttacker);
      for (const socket of sockets) socket.resume().write("GET / HTTP/1.1\r\nx-slow: ");
      const drip = setInterval(() => {
        for (const socket of sockets) if (!socket.destroyed) socket.write("a");
      }, 100);
      over.addEventListener("abort", () => clearInterval(drip));
      await allGone(sockets);
    });
  });

  test("heads without end, megabytes of each: many fields, and one field", async () => {
    const tooLarge = (): Promise<number> => metric("mesh_ca_proxy_refused_total", 'code="MCA_PROXY_HEAD_TOO_LARGE"');
    await underAttack(async () => {
      const sockets = await many(50, tlsAttacker);
      for (const [index, socket] of sockets.entries()) {
        socket.resume().write("GET / HTTP/1.1\r\nhost: service.test\r\nx-field: ");
        const piece = index % 2 === 0 ? "a".repeat(64 * 1_024) : `${"a".repeat(1_000)}\r\nx-field: `.repeat(64);
        repeated(Buffer.from(piece), 4 * MEGABYTE).pipe(socket);
      }
      await allGone(sockets);
    });
    // On a slow machine most of them meet the head's deadline first.
    assert.ok((await tooLarge()) >= 1, `${await tooLarge()}`);
  });

  test("a hundred bodies that stop after a byte", async () => {
    await underAttack(async () => {
      const sockets = await many(100, tlsAttacker);
      const request = "POST / HTTP/1.1\r\nhost: service.test\r\ncontent-length: 1000000\r\n\r\nx";
      for (const socket of sockets) socket.resume().write(request);
      await allGone(sockets);
    });
  });

  test("pipelined requests, hundreds of thousands on each connection, whose answers nobody reads", async () => {
    await underAttack(async () => {
      const sockets = await many(20, tlsAttacker);
      const requests = Buffer.from(GET.repeat(1_500));
      for (const socket of sockets) repeated(requests, 200 * requests.length).pipe(socket.pause());
      await sleep(2 * DEADLINE_MS);
    });
  });

  test("answers of a gigabyte in all that nobody reads", async () => {
    await underAttack(async () => {
      const sockets = await many(20, tlsAttacker);
      for (const socket of sockets) socket.pause().write(GET.replace("/", "/big"));
      await sleep(2 * DEADLINE_MS);
    });
  });

  test("bodies of many megabytes for a target that does not read them", async () => {
    await underAttack(async () => {
      const sockets = await many(20, tlsAttacker);
      const head = `PUT /sink HTTP/1.1\r\nhost: service.test\r\ncontent-length: ${64 * MEGABYTE}\r\n\r\n`;
      const piece = Buffer.alloc(64 * 1024);
      for (const socket of sockets) {
        socket.resume().write(head);
        repeated(piece, 64 * MEGABYTE).pipe(socket);
      }
      await sleep(2 * DEADLINE_MS);
    });
  });

  test("more connections than one address may have: the rest are turned away, and no other address is", async () => {
    await underAttack(async () => {
      await many(400, tlsAttacker);
      const open = await openConnections();
      // The good client's two beside them.
      assert.ok(open >= 290 && open <= 302, `${open}`);
    });
  });
});
