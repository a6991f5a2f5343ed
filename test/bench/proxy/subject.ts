// What is compared: one process, or several, that listen for mutual TLS and forward. Every subject reads the same identity files.
import type { Program } from "./children.ts";
import { nodeProgram } from "./children.ts";

/** What a listener does: see the programs in ../plain. */
export type Role = "handshake" | "l4" | "http1" | "http2" | "bulk-l4" | "bulk-http1";

export interface Ports {
  readonly small: number;
  readonly bulk: number;
  readonly h2: number;
}

export interface Subject {
  readonly name: string;
  /** What its figures are called by. */
  readonly tag: "" | "plain" | "haproxy" | "nginx";
  /** Somebody else's program, without which the bench goes on. */
  readonly foreign: boolean;
  /** Port of the listener in that role; undefined: it has none. */
  port(role: Role): number | undefined;
  /** Of its processes. */
  cpuSeconds(): number;
  residentMegabytes(): number;
  /** Empties its logs. */
  trimLogs(): void;
  stop(): Promise<void>;
}

/** Which program of ../plain plays a role, and whom it forwards to. */
const PLAIN: Readonly<Record<Role, readonly [file: string, target: keyof Ports]>> = {
  handshake: ["handshake", "small"],
  l4: ["l4", "small"],
  http1: ["http1", "small"],
  http2: ["http2", "h2"],
  "bulk-l4": ["l4", "bulk"],
  "bulk-http1": ["http1", "bulk"],
};

/** The plain Node program of one role. */
export async function startPlain(identityFolder: string, backend: Ports, role: Role): Promise<Subject> {
  const [file, target] = PLAIN[role];
  const program = nodeProgram("measured", `../plain/${file}.ts`, [identityFolder, String(backend[target])]);
  const ports = new Map([[role, Number(await program.firstLine())]]);
  return ofOneProgram({ name: "plain Node", tag: "plain", foreign: false }, program, ports);
}

/** A subject whose roles are all served by one program. */
export function ofOneProgram(
  { name, tag, foreign }: Pick<Subject, "name" | "tag" | "foreign">,
  program: Program,
  ports: ReadonlyMap<Role, number>,
): Subject {
  return {
    ...{ name, tag, foreign },
    port: (role) => ports.get(role),
    cpuSeconds: () => program.cpuSeconds(),
    residentMegabytes: () => program.residentMegabytes(),
    trimLogs: () => program.trimLog(),
    stop: () => program.stop(),
  };
}

/** What the backend printed. @throws TypeError */
export function parsePorts(line: string): Ports {
  const value: unknown = JSON.parse(line);
  const port = (name: keyof Ports): number => {
    const found = typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
    if (typeof found !== "number") throw new TypeError(`the backend told no port named ${name}`);
    return found;
  };
  return { small: port("small"), bulk: port("bulk"), h2: port("h2") };
}
