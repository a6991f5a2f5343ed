// `mesh-ca authority ...`: the certificate authorities of a trust domain, and how one follows another.
import { basename } from "node:path";
import { Command } from "commander";
import { encodePem } from "../../x509/index.ts";
import { importFiles } from "../authority-import.ts";
import { printAuthorities } from "../authority-list.ts";
import { addConnectionOptions, type Connection, type ConnectionOptions, withConnection } from "../connection.ts";
import { facts, hint, print, printJson, time, writeOutput } from "../output.ts";
import { parseDuration } from "../parse.ts";

interface CommonOptions extends ConnectionOptions {
  readonly json?: boolean;
}

/** For what an operator may do in an emergency, and the rotator never does. */
interface BeginningOptions extends CommonOptions {
  readonly recover?: boolean;
  readonly changeUpstream?: boolean;
}

interface EmergencyOptions extends CommonOptions {
  readonly emergency?: boolean;
}

const EMERGENCY =
  "do not wait until every client knows the successor: some may fail for a while; voids older join tokens";
const RECOVER = "begin again although the present authority is missing, has ended or is revoked";
const CHANGE_UPSTREAM = "although the present authority came from another upstream than the configured one";
const AUTHORITY = "SHA-256 of its key as `authority list` shows it, or the first 8 digits or more";

export function authorityCommand(): Command {
  return new Command("authority")
    .description("certificate authorities: which one signs, who signed it, how one follows another")
    .addCommand(
      subcommand("list", "list the authorities, what waits for a signature, and clients that lag behind")
        .option("--all", "removed ones too")
        .action(list),
    )
    .addCommand(
      subcommand("csr", "make a request (PKCS#10) for a new authority, or print the one that waits; upstream offline")
        .option("--out <file>", "write the request to a file instead of standard output")
        .option("--sheet <file>", "write the sheet for those who sign to a file instead of standard error")
        .option("--new", "a new key and request, although one waits")
        .option("--recover", RECOVER)
        .option("--change-upstream", CHANGE_UPSTREAM)
        .action(csr),
    )
    .addCommand(
      subcommand("import", "take what was signed: PEM, DER, PKCS#7 or bundles, in any order, with or without the root")
        .argument("<file...>", "files with certificates; never a private key")
        .option("--dry-run", "judge only; change nothing")
        .option("--emergency", EMERGENCY)
        .option("--recover", RECOVER)
        .action(importFiles),
    )
    .addCommand(
      subcommand("prepare", "make a successor now: published, not signing")
        .option("--recover", RECOVER)
        .option("--change-upstream", CHANGE_UPSTREAM)
        .action(prepare),
    )
    .addCommand(
      subcommand("activate", "let a prepared authority sign from now on")
        .argument("<authority>", AUTHORITY)
        .option("--emergency", EMERGENCY)
        .action(activate),
    )
    .addCommand(
      subcommand("rotate", "make a successor now, which signs as soon as every client knows it").action(rotate),
    )
    .addCommand(
      subcommand("taint", "have everything under an authority renewed now; it is still accepted")
        .argument("<authority>", AUTHORITY)
        .option(
          "--spread <duration>",
          "over which time renewals are spread, for example 10m; default: the server chooses",
        )
        .option("--emergency", EMERGENCY)
        .action(taint),
    )
    .addCommand(
      subcommand("revoke", "end all trust in an authority, at once and for good")
        .argument("<authority>", AUTHORITY)
        .option("--emergency", EMERGENCY)
        .action(revoke),
    );
}

function subcommand(name: string, description: string): Command {
  return addConnectionOptions(new Command(name)).description(description).option("--json", "print JSON");
}

async function list(options: CommonOptions & { readonly all?: boolean }): Promise<void> {
  await withConnection(options, async (server) => {
    const found = await server.call(server.authorities.listAuthorities.bind(server.authorities), {
      includeRemoved: options.all === true,
    });
    if (options.json) printJson(found);
    else printAuthorities(found);
  });
}

interface CsrOptions extends BeginningOptions {
  readonly out?: string;
  readonly sheet?: string;
  readonly new?: boolean;
}

async function csr(options: CsrOptions): Promise<void> {
  await withConnection(options, async (server) => {
    const { request, csrSha256, sheet } = await server.call(
      server.authorities.createAuthorityRequest.bind(server.authorities),
      {
        renew: options.new === true,
        ...beginning(options),
        csrFile: options.out === undefined ? "" : basename(options.out),
      },
    );
    if (request === undefined) throw new TypeError("an answer without a request");
    const pem = encodePem("CERTIFICATE REQUEST", request.csr);
    if (options.out !== undefined) await writeOutput("--out", options.out, pem);
    if (options.sheet !== undefined) await writeOutput("--sheet", options.sheet, sheet);
    if (options.json) printJson({ ...request, csr: pem, csrSha256, sheet });
    else {
      if (options.out === undefined) print(pem);
      if (options.sheet === undefined) hint(sheet);
      hint(`When it is signed: npx mesh-ca authority import FILE (try it first with --dry-run)`);
    }
  });
}

async function prepare(options: BeginningOptions): Promise<void> {
  await change(options, async ({ authorities, server }) => {
    const done = await server.call(authorities.prepareAuthority.bind(authorities), beginning(options));
    return { done, said: [["prepared", done.spkiSha256]] };
  });
}

async function activate(authority: string, options: EmergencyOptions): Promise<void> {
  await change(options, async ({ authorities, server }) => {
    const request = { authority, emergency: options.emergency === true };
    const done = await server.call(authorities.activateAuthority.bind(authorities), request);
    return { done, said: [["signs from now on", done.spkiSha256]] };
  });
}

async function rotate(options: CommonOptions): Promise<void> {
  await change(options, async ({ authorities, server }) => {
    const done = await server.call(authorities.rotateAuthority.bind(authorities), {});
    return {
      done,
      said: [
        ["successor", done.spkiSha256],
        ["signs from", time(done.activatesAt)],
      ],
    };
  });
}

async function taint(authority: string, options: EmergencyOptions & { readonly spread?: string }): Promise<void> {
  const spreadSeconds = options.spread === undefined ? 0 : parseDuration("--spread", options.spread);
  await change(options, async ({ authorities, server }) => {
    const request = { authority, spreadSeconds, emergency: options.emergency === true };
    const done = await server.call(authorities.taintAuthority.bind(authorities), request);
    return { done, said: [["tainted", done.spkiSha256]] };
  });
}

async function revoke(authority: string, options: EmergencyOptions): Promise<void> {
  await change(options, async ({ authorities, server }) => {
    const request = { authority, emergency: options.emergency === true };
    const done = await server.call(authorities.revokeAuthority.bind(authorities), request);
    const how = done.distrusted ? "its key is distrusted; its root stays trusted" : "its root has left the bundle";
    return {
      done,
      said: [
        ["revoked", done.spkiSha256],
        ["clients", how],
      ],
      letter: done.enterpriseRequest,
    };
  });
}

interface Done {
  readonly done: unknown;
  readonly said: readonly (readonly [string, string])[];
  /** What somebody else is to be asked for. */
  readonly letter?: string;
}

/** One change: its answer as JSON, or in words. */
async function change(
  options: CommonOptions,
  run: (to: { server: Connection; authorities: Connection["authorities"] }) => Promise<Done>,
): Promise<void> {
  await withConnection(options, async (server) => {
    const { done, said, letter = "" } = await run({ server, authorities: server.authorities });
    if (options.json) {
      printJson(done);
      return;
    }
    print(facts(said));
    if (letter !== "") print(`\n${letter}`);
  });
}

function beginning(options: BeginningOptions): { recover: boolean; changeUpstream: boolean } {
  return { recover: options.recover === true, changeUpstream: options.changeUpstream === true };
}
