// A whole server in a process of its own, with its embedded PostgreSQL below it, started by the CLI as an operator would. For the
// bench (from dist/) and for the foreign tool chains (from src/).
import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { credentials, Metadata } from "@grpc/grpc-js";
import { addedEnvironment, capture, nodeFlags, projectRoot } from "../../scripts/lib/command.ts";
import { TokenServiceClient } from "../../src/proto/gen/meshca/identity/v1/admin.ts";
import { freePort } from "./ports.ts";
import { isAlive } from "./processes.ts";

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 20_000;

export interface ServerProcessOptions {
  /** The CLI's main file: "src/cli/main.ts" or "dist/cli/main.js". */
  readonly main: string;
  readonly trustDomain: string;
  /** Keys of the configuration beside trustDomain, dataDir and the addresses. */
  readonly config: Readonly<Record<string, unknown>>;
}

export class ServerProcess {
  readonly address: string;
  /** Of gRPC, in the form that its clients take. */
  readonly adminSocket: string;
  private readonly operations: string;
  private readonly dataDir: string;
  private readonly configFile: string;
  private readonly main: string;
  private child: ChildProcess | undefined;

  private constructor(folder: string, options: ServerProcessOptions, grpcPort: number, operationsPort: number) {
    this.main = join(projectRoot, options.main);
    this.dataDir = join(folder, "data");
    this.adminSocket = `unix:${join(this.dataDir, "run/admin.sock")}`;
    this.configFile = join(folder, "mesh-ca.yaml");
    this.address = `localhost:${grpcPort}`;
    this.operations = `http://127.0.0.1:${operationsPort}`;
    const config = {
      trustDomain: options.trustDomain,
      dataDir: this.dataDir,
      listen: {
        grpc: { host: "127.0.0.1", port: grpcPort },
        https: { host: "127.0.0.1", port: 0 },
        operations: { host: "127.0.0.1", port: operationsPort },
      },
      ...options.config,
    };
    // JSON is YAML.
    writeFileSync(this.configFile, JSON.stringify(config, null, 2));
  }

  /** Makes a trust domain below `folder` (which everybody must be able to pass through: 0711); nothing runs yet. */
  static async initialise(folder: string, options: ServerProcessOptions): Promise<ServerProcess> {
    const server = new ServerProcess(folder, options, await freePort(), await freePort());
    const result = await capture(process.execPath, [
      server.main,
      "init",
      "--development",
      "--config",
      server.configFile,
    ]);
    if (result.code !== 0) throw new Error(`mesh-ca init ended with ${result.code}:\n${result.output}`);
    return server;
  }

  /** Starts the process, without waiting for it to be ready. `extraFlags` go to node, before the program. */
  spawn(extraFlags: readonly string[] = []): void {
    const log = openSync(`${this.configFile}.log`, "a");
    const child = spawn(
      process.execPath,
      [...nodeFlags(), ...extraFlags, this.main, "server", "--config", this.configFile],
      {
        cwd: projectRoot,
        env: { ...addedEnvironment("server"), ...process.env },
        stdio: ["ignore", log, log],
      },
    );
    closeSync(log);
    this.child = child;
  }

  get pid(): number {
    const { child } = this;
    if (child?.pid === undefined || child.exitCode !== null)
      throw new Error(`the server does not run:\n${this.logTail()}`);
    return child.pid;
  }

  async ready(): Promise<void> {
    const deadline = performance.now() + START_TIMEOUT_MS;
    for (;;) {
      this.pid; // throws where the process has ended
      const answer = await fetch(`${this.operations}/readyz`).catch(() => undefined);
      if (answer?.ok) return;
      if (performance.now() > deadline)
        throw new Error(`the server is not ready: ${await answer?.text()}\n${this.logTail()}`);
      await sleep(20);
    }
  }

  async metrics(): Promise<string> {
    return (await fetch(`${this.operations}/metrics`)).text();
  }

  /** Join tokens by the local admin socket, one for each service name. */
  async tokens(services: readonly string[]): Promise<string[]> {
    const client = new TokenServiceClient(this.adminSocket, credentials.createInsecure());
    try {
      const made: string[] = [];
      for (const service of services) made.push(await createToken(client, service, this.address));
      return made;
    } finally {
      client.close();
    }
  }

  /** SIGTERM, and waits for the end. */
  async stop(): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await ended;
    clearTimeout(timer);
    this.child = undefined;
  }

  /** kill -9 of the server and of its PostgreSQL, as when the power goes. */
  async kill(): Promise<void> {
    const { child } = this;
    if (child === undefined) return;
    const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    const lockFile = join(this.dataDir, "pg", "postmaster.pid");
    const postgres = Number(readFileSync(lockFile, "utf8").split("\n")[0]);
    child.kill("SIGKILL");
    process.kill(postgres, "SIGKILL");
    await ended;
    this.child = undefined;
    while (isAlive(postgres)) await sleep(20);
  }

  private logTail(): string {
    return readFileSync(`${this.configFile}.log`, "utf8").split("\n").slice(-15).join("\n");
  }
}

function createToken(client: TokenServiceClient, service: string, server: string): Promise<string> {
  const request = { attributes: { service }, ttlSeconds: 0, server };
  return new Promise((resolve, reject) => {
    client.createJoinToken(request, new Metadata(), (error, response) =>
      error ? reject(error) : resolve(response.token),
    );
  });
}
