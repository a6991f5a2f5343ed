// HAProxy and nginx beside ours, where they are installed. Neither is needed: what is missing, too old for our configuration or does not do
// its work is left out, and that is said loudly.
import { X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { capture, findProgram } from "../../../../scripts/lib/command.ts";
import { freePort } from "../../../support/ports.ts";
import { tell } from "../../report.ts";
import { clientTls, openCaller } from "../calls.ts";
import { Program } from "../children.ts";
import { ofOneProgram, type Ports, type Role, type Subject } from "../subject.ts";
import { haproxy } from "./haproxy.ts";
import { nginx } from "./nginx.ts";
import type { ForeignProgram } from "./program.ts";

/** Not in everybody's PATH. */
const SYSTEM_FOLDERS = ["/usr/sbin", "/usr/local/sbin", "/sbin"];
const START_TIMEOUT_MS = 10_000;
/** A port that was free may be taken when the program opens it. */
const ATTEMPTS = 3;

interface Installed {
  readonly foreign: ForeignProgram;
  readonly path: string;
  readonly version: string;
  readonly built: string;
}

/** @returns what is installed on this machine, and the names of what is not */
export async function findForeign(): Promise<{
  readonly installed: readonly Installed[];
  readonly missing: readonly string[];
}> {
  const installed: Installed[] = [];
  const missing: string[] = [];
  for (const foreign of [haproxy, nginx]) {
    const path = findProgram(foreign.program) ?? inSystemFolders(foreign.program);
    const built = path === undefined ? undefined : await capture(path, foreign.versionArguments);
    const version = /version:? ?(?:nginx\/)?(\d[\w.+-]*)/.exec(built?.output ?? "")?.[1];
    if (path === undefined || built === undefined || version === undefined) missing.push(foreign.name);
    else installed.push({ foreign, path, version, built: built.output });
  }
  return { installed, missing };
}

export interface ForeignSurroundings {
  readonly folder: string;
  readonly identityFolder: string;
  readonly clientFolder: string;
  readonly backend: Ports;
  readonly maxConnections: number;
}

/** Starts it, and sees that it does its work in each of its roles. @returns undefined where it does not; that has been said */
export async function startForeign(installed: Installed, where: ForeignSurroundings): Promise<Subject | undefined> {
  for (let attempt = 1; ; attempt++) {
    const folder = join(where.folder, `${installed.foreign.tag}-${attempt}`);
    let subject: Subject | undefined;
    try {
      subject = await startOnce(installed, { ...where, folder });
      await tryOut(subject, where.clientFolder);
      return subject;
    } catch (error) {
      await subject?.stop();
      if (attempt < ATTEMPTS) continue;
      const reason = error instanceof Error ? error.message : String(error);
      tell(`SKIPPED: ${installed.foreign.name} ${installed.version} (${installed.path}): ${reason}`);
      return undefined;
    }
  }
}

async function startOnce(
  { foreign, path, built }: Installed,
  { folder, identityFolder, clientFolder, backend, maxConnections }: ForeignSurroundings,
): Promise<Subject> {
  mkdirSync(folder, { recursive: true });
  const ports = new Map<Role, number>();
  for (const role of ["http1", "http2", "l4"] as const) ports.set(role, await freePort());
  const certificate = new X509Certificate(readFileSync(join(clientFolder, "svid.pem")));
  const clientSha1 = certificate.fingerprint.replaceAll(":", "");
  const options = { folder, identityFolder, backend, ports, clientSha1, maxConnections, built };
  const program = new Program("measured", foreign.command(path, options), join(folder, "output.log"));
  const roles = foreign.roles(built);
  // As with ours: the handshakes of an http listener, on which nothing follows before a request.
  const served = roles.map((role) => [role, ports.get(role === "handshake" ? "http1" : role) ?? 0] as const);
  try {
    for (const [, port] of served) await listening(program, port);
  } catch (error) {
    await program.stop();
    throw error;
  }
  return ofOneProgram({ name: foreign.name, tag: foreign.tag, foreign: true }, program, new Map(served));
}

async function listening(program: Program, port: number): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      program.pid; // throws where the process has ended
      const connection = await openCaller("tcp", port, {});
      connection.close();
      return;
    } catch (error) {
      const words = program.lastWords();
      if (performance.now() > deadline) throw new Error(`it did not listen in time: ${words}`);
      if (error instanceof Error && error.message.endsWith("has ended")) throw new Error(`it did not start: ${words}`);
    }
    await sleep(50);
  }
}

/** One call in each role; and none for a client that shows no certificate, or the comparison would be with something else. */
async function tryOut(subject: Subject, clientFolder: string): Promise<void> {
  const tls = clientTls(clientFolder);
  const { cert: _, key: __, ...stranger } = tls;
  for (const [role, wire] of [
    ["http1", "tls"],
    ["http2", "h2"],
    ["l4", "tls"],
  ] as const) {
    const port = subject.port(role);
    if (port === undefined) continue;
    const caller = await openCaller(wire, port, tls);
    await caller.call();
    caller.close();
    const answered = await openCaller(wire, port, stranger)
      .then((other) => other.call().finally(() => other.close()))
      .then(
        () => true,
        () => false,
      );
    if (answered) throw new Error(`it answers clients without a certificate (${role})`);
  }
}

function inSystemFolders(program: string): string | undefined {
  return SYSTEM_FOLDERS.map((folder) => join(folder, program)).find((path) => existsSync(path));
}
