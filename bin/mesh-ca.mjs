#!/usr/bin/env node
// The program `mesh-ca`. Runs on any Node from 18 on: it finds the Node 24 that this package pins as a dependency, and starts the
// command line with it: dist/cli/main.js of an installed package, src/cli/main.ts in a checkout. Signals and the exit code pass.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const WANTED_MAJOR = 24;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
/**
 * They keep a busy server's memory near what it needs, for a little more work of the garbage collector. A proxy carries bytes that V8 counts
 * and the collector cannot free faster by marking the heap: it begins to mark later, and has room for more young ones.
 */
const config = createRequire(import.meta.url)("../package.json").config;
const command = process.argv[2];
const flags = command === "proxy" ? config.proxyNodeFlags : config.nodeFlags;

/**
 * What glibc's allocator is told. The server's threads share one heap: V8's own threads ask for little, and would each keep what is left of
 * theirs, some 10 MB together. The proxy: Node reads every TLS connection into a buffer of 64 KiB that it keeps and hardly fills. glibc takes
 * pages of its own for it, which exist when they are written to, in place of old ones from its heap: a quarter of what an idle connection
 * holds. What the operator has set stays; MESH_CA_ADDED names what was added, so that an application does not inherit it.
 */
function environment() {
  const ours = command === "proxy" ? config.proxyEnvironment : command === "server" ? config.serverEnvironment : {};
  const added = Object.keys(ours).filter((name) => process.env[name] === undefined);
  if (added.length === 0) return process.env;
  const entries = added.map((name) => [name, ours[name]]);
  return { ...process.env, ...Object.fromEntries(entries), MESH_CA_ADDED: added.join(" ") };
}

/** The pinned Node, wherever npm has put it; else the one that runs this, if it is new enough. */
function findNode() {
  const named = process.env.MESH_CA_NODE;
  if (named) return named;
  const name = `node-${process.platform}-${process.arch}`;
  try {
    const path = join(dirname(createRequire(import.meta.url).resolve(`${name}/package.json`)), "bin", "node");
    if (existsSync(path)) return path;
  } catch {
    // Not installed: optional dependencies are left out where they do not fit.
  }
  if (Number(process.versions.node.split(".")[0]) >= WANTED_MAJOR) return process.execPath;
  console.error(
    `mesh-ca: Node ${WANTED_MAJOR} or newer is needed; this is ${process.versions.node}, and the package ${name} is not installed. ` +
      `Run npm ci (with optional dependencies), install Node ${WANTED_MAJOR}, or name one in MESH_CA_NODE.`,
  );
  process.exit(1);
}

/** A checkout runs its sources, so that nobody debugs an old build. */
function findProgram() {
  const source = join(root, "src", "cli", "main.ts");
  return existsSync(source) ? source : join(root, "dist", "cli", "main.js");
}

const child = spawn(findNode(), [...flags, findProgram(), ...process.argv.slice(2)], {
  stdio: ["inherit", "inherit", "inherit", "ipc"],
  env: environment(),
});

// From a terminal the child gets Ctrl-C itself; a signal sent to us alone is passed on. Either way the child decides when to end.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT"]) {
  process.on(signal, () => {
    if (signal === "SIGINT" && (process.stdin.isTTY || process.stdout.isTTY || process.stderr.isTTY)) return;
    child.kill(signal);
  });
}

/** The application that `proxy run` has started: it shall not go on alone when the proxy is killed. */
let application;
child.on("message", (message) => {
  if (Number.isSafeInteger(message?.application)) application = message.application;
});

child.on("error", (error) => {
  console.error(`mesh-ca: Node cannot be started: ${error.message}`);
  process.exit(1);
});

child.on("exit", (code, signal) => {
  const end = () => {
    if (signal !== null && application !== undefined) {
      try {
        process.kill(application, "SIGTERM");
      } catch {
        // It has ended, too.
      }
    }
    process.exit(code ?? 128 + (constants.signals[signal] ?? 0));
  };
  // What it said before its end may still be on its way.
  if (child.connected) child.once("disconnect", end);
  else end();
});
