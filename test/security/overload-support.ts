// A whole server in a process of its own, so that its memory can be told from the attacker's, and a good client beside the attack.
import { readFileSync, rmSync } from "node:fs";
import { type Socket, connect as tcpConnect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { IdentityServiceClient } from "../../src/proto/gen/meshca/identity/v1/identity.ts";
import { createCsr } from "../../src/x509/index.ts";
import { identityOf, newKey } from "../e2e/fixture.ts";
import { connect, issue } from "../support/api-client.ts";
import { temporaryFolder } from "../support/postgres.ts";
import { ServerProcess } from "../support/server-process.ts";

export interface AttackedServer {
  readonly address: string;
  readonly port: number;
  /** Resident memory of the Node process, MB. */
  rssMb(): number;
  /** Value of a metric without labels, or of the series with these labels. */
  metric(name: string, labels?: string): Promise<number>;
  /** A good client of its own connection, enrolled. */
  client(): Promise<GoodClient>;
  close(): Promise<void>;
}

export interface GoodClient {
  /** Renews once; resolves to how long it took, ms. */
  renew(): Promise<number>;
  close(): void;
}

export async function startAttackedServer(limits: Readonly<Record<string, number>>): Promise<AttackedServer> {
  const folder = await temporaryFolder();
  const server = await ServerProcess.initialise(folder, {
    main: "src/cli/main.ts",
    trustDomain: "example.test",
    config: {
      attestors: { token: { kind: "join-token" } },
      rules: [
        { name: "services", match: { "token.service": "*" }, spiffeId: "spiffe://{trustDomain}/{token.service}" },
      ],
      quotas: { lineage: { burst: 100_000, perHour: 100_000 } },
      log: { level: "error" },
      limits,
    },
  });
  server.spawn();
  await server.ready();
  const address = server.address.replace("localhost", "127.0.0.1");
  let clients = 0;
  return {
    address,
    port: Number(address.split(":")[1]),
    rssMb: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.pid}/status`, "utf8"))?.[1]) / 1024,
    async metric(name, labels = "") {
      const line = (await server.metrics()).split("\n").find((text) => text.startsWith(`${name}${labels}`));
      return Number(line?.split(" ").at(-1) ?? 0);
    },
    async client() {
      const [token = ""] = await server.tokens([`good-${clients++}`]);
      const key = newKey();
      const enrolling = connect(address);
      const evidence = { $case: "joinToken", value: token } as const;
      const first = identityOf(await issue(enrolling, { csr: createCsr({ key }), evidence }), key);
      enrolling.close();
      const good = goodClient(connect(address, first));
      // Connected from now on: what an attack does to open connections and to new ones are two questions.
      await good.renew();
      return good;
    },
    async close() {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function goodClient(client: IdentityServiceClient): GoodClient {
  return {
    async renew() {
      const startedAt = performance.now();
      await issue(client, { csr: createCsr({ key: newKey() }), evidence: undefined });
      return performance.now() - startedAt;
    },
    close: () => client.close(),
  };
}

/** Opens TCP connections in batches; what is refused stays in the list as a closed socket. */
export async function openMany(port: number, count: number, first?: Uint8Array): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let opened = 0; opened < count; opened += 250) {
    const batch = Array.from({ length: Math.min(250, count - opened) }, () => openOne(port, first));
    sockets.push(...(await Promise.all(batch)));
  }
  return sockets;
}

function openOne(port: number, first: Uint8Array | undefined): Promise<Socket> {
  return new Promise((resolve) => {
    const socket = tcpConnect({ port, host: "127.0.0.1" });
    socket.on("error", () => {});
    socket.resume();
    socket.once("close", () => resolve(socket));
    socket.once("connect", () => {
      if (first !== undefined) socket.write(first);
      resolve(socket);
    });
  });
}

/** Runs an attack beside a good client that renews every 50 ms, and tells how the client fared. */
export async function beside(
  client: GoodClient,
  attack: () => Promise<void>,
): Promise<{ served: number; failed: number; slowestMs: number }> {
  let attacking = true;
  const fared = { served: 0, failed: 0, slowestMs: 0 };
  const renewing = (async () => {
    while (attacking) {
      try {
        fared.slowestMs = Math.max(fared.slowestMs, await client.renew());
        fared.served++;
      } catch {
        fared.failed++;
      }
      await sleep(50);
    }
  })();
  try {
    await attack();
  } finally {
    attacking = false;
  }
  await renewing;
  return fared;
}

export function destroyAll(sockets: Iterable<{ destroy(): void }>): void {
  for (const socket of sockets) socket.destroy();
}
