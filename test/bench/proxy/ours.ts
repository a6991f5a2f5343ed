// `mesh-ca proxy run` as it is shipped, in one process, with everything on that an operator would have on: policies, XFCC, access log,
// metrics. The log goes to a file.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { addedEnvironment, nodeFlags } from "../../../scripts/lib/command.ts";
import { freePort } from "../../support/ports.ts";
import { Program } from "./children.ts";
import { CLIENT_PATH, replaceFile, TRUST_DOMAIN } from "./pki.ts";
import { ofOneProgram, type Ports, type Role, type Subject } from "./subject.ts";

const READY_TIMEOUT_MS = 20_000;
const CLIENT = `spiffe://${TRUST_DOMAIN}${CLIENT_PATH}`;
/** What policies allow or deny, so that a reload shows. */
export const PROBE_TARGET = "/probe";

const LISTENERS: readonly { readonly role: Role; readonly protocol: "tcp" | "http"; readonly target: keyof Ports }[] = [
  { role: "l4", protocol: "tcp", target: "small" },
  { role: "http1", protocol: "http", target: "small" },
  { role: "http2", protocol: "http", target: "h2" },
  { role: "bulk-l4", protocol: "tcp", target: "bulk" },
  { role: "bulk-http1", protocol: "http", target: "bulk" },
];

export interface OursOptions {
  /** For configuration, policies and log. */
  readonly folder: string;
  readonly identityFolder: string;
  readonly backend: Ports;
  /** Flags of node. */
  readonly flags: readonly string[];
}

export interface Ours extends Subject {
  /** Replaces the policy file by one that allows or denies `PROBE_TARGET`, and the rest as before. */
  setPolicies(probe: "allow" | "deny"): void;
}

export async function startOurs({ folder, identityFolder, backend, flags }: OursOptions): Promise<Ours> {
  const ports = new Map<Role, number>();
  for (const { role } of LISTENERS) ports.set(role, await freePort());
  const adminPort = await freePort();
  const policyFile = join(folder, "policies.yaml");
  const setPolicies = (probe: "allow" | "deny"): void => replaceFile(policyFile, JSON.stringify(policies(probe)));
  setPolicies("allow");
  const config = {
    identity: {
      kind: "files",
      certificateFile: join(identityFolder, "svid.pem"),
      keyFile: join(identityFolder, "svid_key.pem"),
      trustFile: join(identityFolder, "trust.json"),
    },
    listeners: LISTENERS.map(({ role, protocol, target }) => ({
      ...{ direction: "inbound", name: role, protocol, host: "127.0.0.1", port: ports.get(role) },
      target: { port: backend[target] },
      ...(role === "http2" ? { http: { upstreamProtocol: "h2" } } : {}),
    })),
    policyFile,
    workers: 1,
    limits: { handshakes: 2_000 },
    admin: { port: adminPort },
  };
  const configFile = join(folder, "proxy.yaml");
  // JSON is YAML.
  writeFileSync(configFile, JSON.stringify(config, null, 2));
  const program = new Program(
    "measured",
    [process.execPath, ...nodeFlags("proxy"), ...flags, "dist/cli/main.js", "proxy", "run", "--config", configFile],
    join(folder, "proxy.log"),
    addedEnvironment("proxy"),
  );
  await ready(program, adminPort);
  // The handshakes of an http listener, on which nothing follows before a request.
  const http1 = ports.get("http1");
  if (http1 !== undefined) ports.set("handshake", http1);
  return { ...ofOneProgram({ name: "mesh-ca", tag: "", foreign: false }, program, ports), setPolicies };
}

async function ready(program: Program, adminPort: number): Promise<void> {
  const deadline = performance.now() + READY_TIMEOUT_MS;
  for (;;) {
    program.pid; // throws where the process has ended
    try {
      const { ok } = await fetch(`http://127.0.0.1:${adminPort}/readyz`);
      if (ok) return;
    } catch {
      // Not listening yet.
    }
    if (performance.now() > deadline) throw new Error("the proxy was not ready in time");
    await sleep(50);
  }
}

/** Policies of which one allows the load: an ordinary service's. */
function policies(probe: "allow" | "deny"): unknown {
  const listeners = LISTENERS.filter(({ protocol }) => protocol === "http").map(({ role }) => role);
  const tcp = LISTENERS.filter(({ protocol }) => protocol === "tcp").map(({ role }) => role);
  const to = (...paths: string[]) => ({ methods: ["GET", "PUT"], paths });
  const others = ["billing", "search", "mail", "report", "stock", "audit"].map((name) => ({
    ...{ name, action: "allow", listeners },
    rules: [{ from: { ids: [`spiffe://${TRUST_DOMAIN}/ns/shop/sa/${name}`] }, to: to(`/api/v1/${name}/**`) }],
  }));
  const load = { from: { ids: [CLIENT] }, to: to("/api/v1/items/**", "/bulk") };
  return {
    policies: [
      ...others,
      { name: "no-admin", action: "deny", listeners, rules: [{ to: { paths: ["/admin/**", "/debug/**"] } }] },
      { name: "load", action: "allow", listeners, rules: [load] },
      { name: "probe", action: probe, listeners, rules: [{ to: { paths: [PROBE_TARGET] } }] },
      { name: "tcp", action: "allow", listeners: tcp, rules: [{ from: { ids: [CLIENT] } }] },
    ],
  };
}
