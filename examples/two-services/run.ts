// Runs the example: a mesh-ca server of its own, then cart and web, each started by its proxy. Ctrl-C ends everything and leaves nothing.
//
//   npm run example -- [seconds that a certificate lives: 20]
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { withConnection } from "../../src/cli/connection.ts";
import { startTemporaryDomain } from "../../src/cli/demo/temporary-domain.ts";
import { createToken } from "../../src/cli/demo/tokens.ts";

const ttlSeconds = Number(process.argv[2] ?? "20");
const here = import.meta.dirname;
const program = `${here}/../../bin/mesh-ca.mjs`;
const services = [
  { name: "cart", port: 28_081, admin: 28_501 },
  { name: "web", port: 28_080, admin: 28_502 },
];

let over = false;
const stopped = new Promise<void>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => resolve());
});
const remove = () => rmSync(`${here}/run`, { recursive: true, force: true });
const running: ChildProcess[] = [];

console.log("Starting a mesh-ca server for example.test in a temporary folder ...");
remove();
mkdirSync(`${here}/run`, { mode: 0o700 });
const domain = await startTemporaryDomain("example.test", { ttlSeconds });
try {
  await withConnection({ socket: domain.server.adminSocket }, async (server) => {
    for (const { name } of services) {
      writeFileSync(`${here}/run/${name}.token`, await createToken(server, name), { mode: 0o600 });
    }
  });
  for (const { name } of services) {
    console.log(`mesh-ca proxy run --config ${name}-proxy.yaml -- node ${name}.ts`);
    const args = [program, "proxy", "run", "--config", `${name}-proxy.yaml`, "--", process.execPath, `${name}.ts`];
    // Its log is on standard error, the access log on standard output.
    const log = openSync(`${here}/run/${name}-proxy.log`, "a");
    running.push(spawn(process.execPath, args, { cwd: here, stdio: ["ignore", "inherit", log] }));
  }
  const ready = answer();
  const ended = Promise.race(running.map((child) => once(child, "exit")));
  const first = await Promise.race([ready, ended.then(() => "ended"), stopped.then(() => "stopped")]);
  if (first === "ended") {
    for (const { name } of services) console.error(readFileSync(`${here}/run/${name}-proxy.log`, "utf8"));
    throw new Error("A proxy ended; above is what the two said. Is one of the ports 28000 to 28600 taken?");
  }
  if (first !== "stopped") {
    console.log(`\nReady. Certificates live for ${ttlSeconds} seconds here. In another terminal:\n`);
    for (const line of curlLines()) console.log(`  ${line}`);
    console.log("\nBelow is the access log of both proxies. Ctrl-C ends it.\n");
    await Promise.race([stopped, ended]);
  }
} finally {
  over = true;
  for (const child of running) child.kill("SIGTERM");
  await Promise.all(running.map((child) => (child.exitCode === null ? once(child, "exit") : undefined)));
  await domain[Symbol.asyncDispose]();
  remove();
}

/** Waits until each proxy is ready and the service that it has started answers. */
async function answer(): Promise<void> {
  for (const { admin, port } of services) {
    for (const url of [`http://127.0.0.1:${admin}/readyz`, `http://127.0.0.1:${port}/headers`]) {
      while (!over && !(await fetch(url).catch(() => undefined))?.ok) await sleep(100);
    }
  }
}

/** The lines of README.md that begin with curl. */
function curlLines(): string[] {
  return readFileSync(`${here}/README.md`, "utf8")
    .split("\n")
    .filter((line) => line.startsWith("curl "));
}
