// `npm start`: a development server. Creates a development trust domain where the data directory is empty (by calling `mesh-ca init`
// by its name; the server itself never creates trust), runs the server in the foreground, and prints the next command to type.
//   npm start                          in the default data directory
//   npm start -- --data-dir /tmp/ca    in another one
import { spawn } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CONFIG_FILE_NAME, configFor, dataDirFor } from "../src/cli/server-config.ts";
import { addedEnvironment, nodeFlags, projectRoot, stop } from "./lib/command.ts";

const READY_LIMIT_MS = 60_000;
const PARENT_LOOK_MS = 500;
const MAIN = join(projectRoot, "src/cli/main.ts");

const dataDirArguments = readArguments(process.argv.slice(2));
const options = { set: [], ...(dataDirArguments[1] === undefined ? {} : { dataDir: dataDirArguments[1] }) };
const dataDir = dataDirFor(options);

if (!existsSync(dataDir) || readdirSync(dataDir).length === 0) {
  console.log(`There is nothing in ${dataDir} yet: running mesh-ca init --development.`);
  const code = await meshCa(["init", "--development", ...dataDirArguments]);
  if (code !== 0) process.exit(code);
} else if (!existsSync(join(dataDir, CONFIG_FILE_NAME)) && process.env["MESH_CA_CONFIG"] === undefined) {
  stop(
    `${dataDir} is not empty and holds no ${CONFIG_FILE_NAME}: it is not a development server's. Choose another one: npm start -- --data-dir DIR`,
    2,
  );
}

// npm that is killed cannot tell its child: where npm has started us and is gone, the server goes as well.
const npm = process.env["npm_lifecycle_event"] === undefined ? undefined : process.ppid;
if (npm !== undefined) {
  const look = setInterval(() => {
    if (process.ppid === npm) return;
    clearInterval(look);
    process.kill(process.pid, "SIGTERM");
  }, PARENT_LOOK_MS).unref();
}

const server = meshCa(["server", ...dataDirArguments]);
void sayWhenReady();
process.exitCode = await server;

function readArguments(given: readonly string[]): readonly string[] {
  if (given.length === 0) return [];
  const [name, value] = given;
  if (name !== "--data-dir" || value === undefined || given.length > 2) {
    stop("npm start takes one option: npm start -- --data-dir DIR", 2);
  }
  return [name, value];
}

/** Runs a command of mesh-ca in the foreground; resolves to its exit code. */
function meshCa(args: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [...nodeFlags(), MAIN, ...args], {
      stdio: ["inherit", "inherit", "inherit", "ipc"],
      env: { ...addedEnvironment("server"), ...process.env },
    });
    // Ctrl-C in a terminal reaches the child by itself; what is sent to us alone is passed on.
    const pass = (signal: NodeJS.Signals): void => {
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    };
    process.on("SIGINT", pass);
    process.on("SIGTERM", pass);
    child.on("exit", (code) => {
      process.off("SIGINT", pass);
      process.off("SIGTERM", pass);
      resolve(code ?? 1);
    });
  });
}

async function sayWhenReady(): Promise<void> {
  const { trustDomain, listen } = await configFor(options);
  const { host, port } = listen.operations;
  const end = performance.now() + READY_LIMIT_MS;
  while (performance.now() < end) {
    const answer = await fetch(`http://${host}:${port}/readyz`).catch(() => undefined);
    if (answer?.ok) {
      const where = dataDirArguments.length === 0 ? "" : ` --data-dir ${dataDir}`;
      console.log(
        [
          "",
          `The trust domain ${trustDomain} is ready. In another shell:`,
          "",
          `  npx mesh-ca token create --attribute service=cart${where} > cart.token`,
          "  npx mesh-ca svid fetch --token-file cart.token --out cart",
          `  npx mesh-ca audit list${where}`,
          "",
          "Ctrl-C stops the server.",
        ].join("\n"),
      );
      return;
    }
    await sleep(100);
  }
}
