// A drill: a part of docs/disaster-recovery.md run as the page says it, by its own commands, against a server in a process of its own
// with workloads that live through it. Times are shortened by the configuration; nothing else is other than in production: `init`
// without --development, the admin socket that asks for reasons, the real PostgreSQL, the SDK.
import assert from "node:assert/strict";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type MeshServer, SvidSource, type SvidSourceOptions } from "../../src/identity-client/index.ts";
import { X509SvidVerifier } from "../../src/spiffe/index.ts";
import type { Certificate } from "../../src/x509/index.ts";
import { blocksOf, type PageBlock, Reader } from "../support/page.ts";
import { freePort } from "../support/ports.ts";
import { temporaryFolder } from "../support/postgres.ts";
import { QUICK_ROTATION } from "../support/quick-rotation.ts";
import { TestLog } from "./fixture.ts";

const PAGE = "docs/disaster-recovery.md";
const NOW_FRESH_MS = 40_000;

/** The blocks right below a heading, none of a heading further down. */
export function blocksBelow(heading: string): readonly PageBlock[] {
  return blocksOf(PAGE, heading).filter(({ headings }) => headings.at(-1) === heading);
}

/** A workload that runs: an identity that keeps itself fresh, and a server that its peers call. */
export interface Workload {
  readonly id: string;
  readonly source: SvidSource;
  readonly log: TestLog;
  readonly stateDir: string;
  /** Where its join token is read from; a new one there is used when a renewal is refused. */
  readonly tokenFile: string;
  readonly port: number;
}

export interface DrillOptions {
  /** Keys of the configuration's section `authority`, beside the short times. */
  readonly authority?: Readonly<Record<string, unknown>>;
  /** Other sections. */
  readonly changes?: Readonly<Record<string, unknown>>;
  readonly environment?: Readonly<Record<string, string>>;
}

export class Drill {
  readonly folder: string;
  readonly data: string;
  /** `host:port` of the Identity API, as a machine elsewhere reaches it: not by 127.0.0.1. */
  readonly address: string;
  readonly #reader: Reader;
  readonly #toClose: (() => Promise<void>)[] = [];
  #blocks: PageBlock[] = [];

  private constructor(folder: string, address: string, reader: Reader) {
    this.folder = folder;
    this.data = join(folder, "data");
    this.address = address;
    this.#reader = reader;
  }

  /** A folder with a configuration; nothing runs yet. */
  static async prepare(given: DrillOptions | ((folder: string) => DrillOptions) = {}): Promise<Drill> {
    const folder = await temporaryFolder("mesh-ca-drill-");
    const { authority, changes, environment } = typeof given === "function" ? given(folder) : given;
    const [port, operations] = [await freePort(), await freePort()];
    const config = {
      trustDomain: "example.test",
      listen: {
        grpc: { host: "0.0.0.0", port, publicAddress: `127.0.0.2:${port}` },
        https: { enabled: false },
        operations: { port: operations },
      },
      authority: { ...QUICK_ROTATION, ...authority },
      attestors: { token: { kind: "join-token" } },
      rules: [
        { name: "services", match: { "token.service": "*" }, spiffeId: "spiffe://{trustDomain}/{token.service}" },
      ],
      quotas: { lineage: { burst: 1000, perHour: 100_000 } },
      ...changes,
    };
    writeFileSync(join(folder, "mesh-ca.yaml"), JSON.stringify(config));
    const shell = { MESH_CA_CONFIG: join(folder, "mesh-ca.yaml"), MESH_CA_DATA_DIR: join(folder, "data") };
    return new Drill(folder, `127.0.0.2:${port}`, new Reader(folder, { ...shell, ...environment }));
  }

  /** A trust domain whose server runs. */
  static async begin(options: DrillOptions = {}): Promise<Drill> {
    const drill = await Drill.prepare(options);
    await drill.shell("npx mesh-ca init\nsystemctl start mesh-ca");
    return drill;
  }

  /** The blocks of a part are what `step` runs next, in the order of the page. */
  turnTo(heading: string): void {
    this.finish();
    this.#blocks = [...blocksBelow(heading)];
  }

  /** Runs the next block of the page, which must hold `command`. `during`: what its `sleep` waits for. */
  async step(command: string, during?: () => Promise<void>): Promise<string> {
    const block = this.#blocks.shift();
    assert.ok(block !== undefined, `the page has no block left for ${command}`);
    assert.ok(block.script.includes(command), `line ${block.line} is not about ${command}:\n${block.script}`);
    return await this.#reader.run(block, during);
  }

  /** Every command of the part was run. */
  finish(): void {
    const left = this.#blocks.map(({ line, script }) => `line ${line}: ${script}`);
    assert.deepEqual(left, [], "commands of the page that were not run");
  }

  /** A command that is not the page's: what happened before, or what is looked at. */
  async shell(script: string): Promise<string> {
    const { code, output } = await this.#reader.script(script);
    assert.equal(code, 0, `${script}\n${output}${this.#reader.serverLog()}`);
    return output;
  }

  /** What the server logs, since the first start. */
  log(): Promise<string> {
    return this.shell("journalctl -u mesh-ca -o cat");
  }

  /** State and first digits of the key of each authority, oldest first. */
  async authorities(): Promise<readonly { readonly key: string; readonly state: string }[]> {
    const listed = await this.shell("npx mesh-ca authority list --all --reason look");
    return [...listed.matchAll(/^([0-9a-f]{16}) +([a-z]+) /gm)].map(([, key = "", state = ""]) => ({ key, state }));
  }

  async states(): Promise<readonly string[]> {
    return (await this.authorities()).map(({ state }) => state);
  }

  /** SPIFFE IDs of the record with their serial numbers, oldest first. */
  async recorded(filter = ""): Promise<readonly { readonly spiffeId: string; readonly serial: string }[]> {
    const lines = await this.shell(`npx mesh-ca audit list --json --reason look ${filter}`);
    return lines.split("\n").flatMap((line) => (line.startsWith("{") ? [JSON.parse(line)] : []));
  }

  /** A token in the file that the workload reads it from. */
  async token(service: string, file = `${service}.token`): Promise<string> {
    await this.shell(`npx mesh-ca token create --reason enrol -a service=${service} > ${file}`);
    return join(this.folder, file);
  }

  /** An identity in files, as the page has it: below the folder `service`. */
  async fetch(service: string): Promise<void> {
    const tokenFile = await this.token(service);
    await this.shell(`npx mesh-ca svid fetch --token-file ${tokenFile} --out ${service}`);
  }

  /** A workload that enrols by a token in a file. */
  async join(service: string): Promise<Workload> {
    const tokenFile = await this.token(service, `${service}-sdk.token`);
    return await this.run(service, { joinToken: { file: tokenFile } }, tokenFile);
  }

  /** A workload with this evidence, or with what its state directory holds. */
  async run(service: string, evidence: Partial<SvidSourceOptions>, tokenFile = ""): Promise<Workload> {
    const log = new TestLog();
    const stateDir = join(this.folder, `state-${service}`);
    const options = { ...evidence, stateDir, logger: log.logger } as SvidSourceOptions;
    const source = await SvidSource.start(options);
    this.#toClose.push(() => source.close());
    const server: MeshServer = source.createTlsServer({ allow: () => true }, (socket) => socket.pipe(socket));
    this.#toClose.push(() => server.close(0));
    const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
    return { id: source.current().id.toString(), source, log, stateDir, tokenFile, port };
  }

  async close(): Promise<void> {
    for (const close of this.#toClose.reverse()) await close();
    await this.#reader.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A call by mTLS: "ok", or the code of who refused it ("refused": the called one). */
export async function call(from: Workload, to: Workload): Promise<string> {
  try {
    const socket = await from.source.connect({ host: "127.0.0.1", port: to.port, expect: to.id });
    const answer = once(socket, "data").then(() => "ok");
    const end = once(socket, "close").then(() => "refused");
    answer.catch(() => {});
    end.catch(() => {});
    socket.write("a word");
    const result = await Promise.race([answer, end]).catch(() => "refused");
    socket.destroy();
    return result;
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}

/** Calls in both directions. */
export async function callBoth(a: Workload, b: Workload): Promise<readonly string[]> {
  return [await call(a, b), await call(b, a)];
}

/** The key of the authority that signed what a workload holds, as far as it is known to it. */
export function issuerOf({ source }: Workload): string {
  const { issuer } = new X509SvidVerifier(source.trust()).verify(source.current().chain, Date.now());
  return issuer.publicKey.spkiSha256;
}

/** Whether a workload would accept this certificate, and if not, why. */
export function verdictOf({ source }: Workload, chain: readonly Certificate[], id: string): string {
  try {
    source.verifyPeer(chain, id);
    return "accepted";
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
}

/** The code by which an attempt to renew now fails. */
export async function renewalRefused({ source }: Workload): Promise<string> {
  try {
    await source.renew();
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : String(error);
  }
  return "renewed";
}

/** Renews as soon as the server is there again. */
export async function renewed({ source }: Workload): Promise<void> {
  const end = performance.now() + NOW_FRESH_MS;
  for (;;) {
    try {
      await source.renew();
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
      await sleep(200);
    }
  }
}
