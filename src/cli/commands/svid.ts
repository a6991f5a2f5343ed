// `mesh-ca svid fetch`: an identity in files, for programs that cannot use the SDK. The first run enrols by evidence; later ones
// renew from the state kept beside the files. With --watch it stays and keeps them fresh.
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { Command } from "commander";
import {
  IdentityClientError,
  type KeyAlgorithm,
  SvidSource,
  type SvidSourceOptions,
  writeSvidFolder,
} from "../../identity-client/index.ts";
import { closeOnSignal, createLogger, silentLogger, systemClock } from "../../runtime/index.ts";
import { ChangeCommand } from "../change-command.ts";
import { CliError } from "../errors.ts";
import { facts, hint, print, printJson, time } from "../output.ts";
import { parseDuration, readTextFile } from "../parse.ts";
import { withProgress } from "../progress.ts";

interface FetchOptions {
  readonly out: string;
  readonly server?: string;
  readonly tokenFile?: string;
  readonly jwtFile?: string;
  readonly attestor?: string;
  readonly certificate?: string;
  readonly key?: string;
  readonly trust?: string;
  readonly stateDir?: string;
  readonly ttl?: string;
  readonly keyAlgorithm?: string;
  readonly timeout: string;
  readonly watch?: boolean;
  readonly run?: string;
  readonly json?: boolean;
}

export function svidCommand(): Command {
  return new Command("svid").description("identities in files").addCommand(fetchCommand());
}

function fetchCommand(): Command {
  return new Command("fetch")
    .description("get an X.509-SVID into DIR/current: svid.pem, svid_key.pem, svid_bundle.pem, trust.json")
    .requiredOption("-o, --out <dir>", "where the files go (made with mode 0700)")
    .option("--token-file <file>", "join token; - for standard input (or MESH_CA_JOIN_TOKEN in the environment)")
    .option("--jwt-file <file>", "JWT as evidence, such as a Kubernetes service-account token; needs --trust")
    .option("--attestor <name>", "the server's attestor instance that is to check the JWT")
    .option("--certificate <file>", "certificate chain of the company's PKI as evidence (PEM); needs --key and --trust")
    .option("--key <file>", "private key of that certificate (PEM)")
    .option("--trust <file>", "trust file, as `mesh-ca bundle export --format mesh-ca` writes it")
    .option("--server <host:port>", "server to call; default: what the token says")
    .option("--state-dir <dir>", "key, certificate and trust between runs; default: DIR/state")
    .option("--ttl <duration>", "lifetime wished for, for example 30m; default: what the rule grants")
    .option("--key-algorithm <name>", "ec-p256 (default), ec-p384, ed25519, rsa-2048, rsa-3072")
    .option("--timeout <duration>", "how long to wait for a server that is away", "60s")
    .option("-w, --watch", "stay, and keep the files fresh until SIGTERM or Ctrl-C")
    .option("--run <command>", "run this after each change of the files (with --watch); MESH_CA_SVID names the folder")
    .option("--json", "print JSON, with --watch one line for each change")
    .addHelpText("after", "\nA token or password is never taken from the command line: others can read it there.")
    .action(run);
}

async function run(options: FetchOptions): Promise<void> {
  if (options.run !== undefined && options.watch !== true) {
    throw new CliError(
      "MCA_CLI_USAGE",
      "--run needs --watch: without it there is one change, and the shell can go on.",
    );
  }
  const out = resolve(options.out);
  await mkdir(out, { recursive: true, mode: 0o700 });
  const sourceOptions = await sourceOptionsOf(options, out);
  const source = await withProgress("getting an identity", () => SvidSource.start(sourceOptions));
  try {
    if (options.watch === true) await watch(source, out, options);
    else {
      await renewIfDue(source);
      await write(source, out, options);
    }
  } finally {
    await source.close();
  }
}

async function sourceOptionsOf(options: FetchOptions, out: string): Promise<SvidSourceOptions> {
  const { server, attestor, certificate, key, trust, ttl, keyAlgorithm } = options;
  if ((certificate === undefined) !== (key === undefined)) {
    throw new CliError("MCA_CLI_USAGE", "--certificate and --key go together; give both.");
  }
  const token = await joinToken(options);
  return {
    stateDir: resolve(options.stateDir ?? join(out, "state")),
    startTimeoutMs: parseDuration("--timeout", options.timeout) * 1_000,
    logger: createLogger({ level: options.watch === true ? "warn" : "error" }),
    ...(server === undefined ? {} : { server }),
    ...(token === undefined ? {} : { joinToken: token }),
    ...(options.jwtFile === undefined
      ? {}
      : { jwt: { file: options.jwtFile, ...(attestor === undefined ? {} : { attestor }) } }),
    ...(certificate === undefined || key === undefined
      ? {}
      : { certificate: { certificateFile: certificate, keyFile: key } }),
    ...(trust === undefined ? {} : { trustFile: trust }),
    ...(ttl === undefined ? {} : { ttlSeconds: parseDuration("--ttl", ttl) }),
    ...(keyAlgorithm === undefined ? {} : { keyAlgorithm: parseKeyAlgorithm(keyAlgorithm) }),
  };
}

async function joinToken({ tokenFile }: FetchOptions): Promise<{ file: string } | { text: string } | undefined> {
  if (tokenFile === "-") return { text: await readTextFile("--token-file", "-") };
  if (tokenFile !== undefined) return { file: tokenFile };
  const text = process.env["MESH_CA_JOIN_TOKEN"];
  return text === undefined ? undefined : { text };
}

function parseKeyAlgorithm(name: string): KeyAlgorithm {
  switch (name) {
    case "ec-p256":
    case "ec-p384":
    case "ed25519":
    case "rsa-2048":
    case "rsa-3072":
      return name;
    default:
      throw new CliError(
        "MCA_CLI_USAGE",
        `--key-algorithm is ${JSON.stringify(name)}; give ec-p256, ec-p384, ed25519, rsa-2048 or rsa-3072.`,
      );
  }
}

/** Who is called now and then (by cron) has no other moment to renew in. A server that is away costs nothing while the certificate is valid. */
async function renewIfDue(source: SvidSource): Promise<void> {
  const { renewAt, notAfter } = source.current();
  if (systemClock.now() < renewAt) return;
  try {
    await withProgress("renewing the identity", () => source.renew());
  } catch (error) {
    if (!(error instanceof IdentityClientError) || error.code !== "MCA_SERVER_UNAVAILABLE") throw error;
    hint(`not renewed, and good until ${time(notAfter)}: ${error.message}`);
  }
}

async function write(source: SvidSource, out: string, options: FetchOptions): Promise<void> {
  const svid = source.current();
  const folder = await writeSvidFolder(out, svid, source.trust());
  if (options.json) {
    const { id, serial, notAfter, renewAt } = svid.toJSON();
    printJson({ folder, spiffeId: id, serial, notAfter, renewAt, rule: svid.rule, logIndex: svid.logIndex });
    return;
  }
  print(
    facts([
      ["identity", svid.id.toString()],
      ["files", folder],
      ["valid until", time(svid.notAfter)],
      ["renew from", time(svid.renewAt)],
      ["serial", svid.serial],
      ["ledger index", svid.logIndex.toString()],
    ]),
  );
  if (svid.shortenedBy !== "") hint(`its lifetime was shortened: ${svid.shortenedBy}`);
}

/** Writes after each change until a signal comes. Changes that come while one is being written are written once more. */
async function watch(source: SvidSource, out: string, options: FetchOptions): Promise<void> {
  const command =
    options.run === undefined ? undefined : new ChangeCommand(options.run, { MESH_CA_SVID: join(out, "current") });
  let dirty = true;
  let wake = (): void => {};
  let stopped = false;
  const stop = async (): Promise<void> => {
    stopped = true;
    wake();
  };
  // Where the whole group is signalled the same one comes twice: the second does not end it in the middle of a write.
  void closeOnSignal({ close: stop }, { logger: silentLogger, deadlineMs: 10_000 });
  source.onChange(() => {
    dirty = true;
    wake();
  });
  // The source alone does not keep a process alive.
  const alive = setInterval(() => {}, 60_000);
  try {
    while (!stopped) {
      if (dirty) {
        dirty = false;
        await write(source, out, options);
        void command?.trigger();
      }
      if (!dirty && !stopped) {
        await new Promise<void>((resume) => {
          wake = resume;
        });
      }
    }
  } finally {
    clearInterval(alive);
  }
}
