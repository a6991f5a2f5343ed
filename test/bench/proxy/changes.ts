// New identities and new policies while calls and bodies are under way: none may fail, and every byte arrives. Whether a change has
// come into force is asked of the proxy itself, by new connections.
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:tls";
import { type Figure, figure, tell } from "../report.ts";
import { clientTls } from "./calls.ts";
import type { LoadClient } from "./load.ts";
import { type Ours, PROBE_TARGET } from "./ours.ts";
import type { BenchPki } from "./pki.ts";
import { AUTHORITY } from "./traffic.ts";

const CONNECTIONS = 64;
const CALLS_A_TURN = 2_000;
const IN_FORCE_TIMEOUT_MS = 20_000;

export interface ChangesSize {
  readonly changes: number;
  /** In each direction. */
  readonly bulkBytes: number;
}

/** @param bulk another client than `calls`: both work at the same time */
export async function measureChanges(
  ours: Ours,
  pki: BenchPki,
  { calls, bulk }: { readonly calls: LoadClient; readonly bulk: LoadClient },
  { changes, bulkBytes }: ChangesSize,
): Promise<Figure[]> {
  const port = ours.port("http1");
  const bulkPort = ours.port("bulk-http1");
  if (port === undefined || bulkPort === undefined) return [];
  const probe = (): Promise<Probe> => askProbe(port, pki.client);
  await calls.open("changes", "tls", port, CONNECTIONS);
  let changing = true;
  let done = 0;
  let failed = 0;
  const failures: string[] = [];
  const calling = (async () => {
    while (changing) {
      const ran = await calls.run("changes", CALLS_A_TURN, CONNECTIONS, { mayFail: true });
      done += CALLS_A_TURN;
      failed += ran.failed;
      failures.push(...ran.failures);
    }
  })();
  const carrying = bulk.bulk(bulkPort, "up", bulkBytes).then(() => bulk.bulk(bulkPort, "down", bulkBytes));
  // Whoever fails first is heard at the end, after the others have ended.
  for (const under of [calling, carrying]) under.catch(() => {});
  try {
    for (let change = 0; change < changes; change++) {
      const { serial } = await probe();
      pki.rotateProxy();
      await until(async () => (await probe()).serial !== serial, "a new certificate");
      const policy = change % 2 === 0 ? "deny" : "allow";
      ours.setPolicies(policy);
      await until(async () => (await probe()).status === (policy === "deny" ? 403 : 200), "a new policy");
    }
  } finally {
    changing = false;
    await Promise.all([calling, carrying]);
  }
  await calls.close("changes");
  tell(
    `${changes} rotations and ${changes} reloads: ${failed} of ${done} calls failed ${failures.slice(0, 3).join("; ")}`,
  );
  return [
    figure("proxy.change_failed_calls", failed, "calls"),
    figure("proxy.change_calls", done, "calls"),
    figure("proxy.changes", 2 * changes, "changes"),
    figure("proxy.change_bulk_mb", (2 * bulkBytes) / 1024 / 1024, "MB"),
  ];
}

interface Probe {
  readonly status: number;
  /** Of the certificate that the proxy showed. */
  readonly serial: string;
}

async function askProbe(port: number, identityFolder: string): Promise<Probe> {
  const socket = connect({ ...clientTls(identityFolder), port });
  await once(socket, "secureConnect");
  const serial = socket.getPeerX509Certificate()?.serialNumber ?? "";
  socket.write(`GET ${PROBE_TARGET} HTTP/1.1\r\nhost: ${AUTHORITY}\r\n\r\n`);
  const [answer] = await once(socket, "data");
  socket.destroy();
  return { status: Number(String(answer).slice(9, 12)), serial };
}

async function until(holds: () => Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + IN_FORCE_TIMEOUT_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`${what} was not in force after ${IN_FORCE_TIMEOUT_MS} ms`);
    await sleep(100);
  }
}
