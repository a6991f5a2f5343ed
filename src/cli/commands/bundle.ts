// `mesh-ca bundle show|export`: what may be trusted, for people and for programs.
import { Command, Option } from "commander";
import { PublishedAuthority_State as State } from "../../proto/gen/meshca/identity/v1/identity.ts";
import { encodeTrustBundle, encodeTrustFile, publishedAnchors, type TrustSet } from "../../spiffe/index.ts";
import { encodePem, nameToString, parseCertificate, toHex } from "../../x509/index.ts";
import { addConnectionOptions, type ConnectionOptions, withConnection } from "../connection.ts";
import { facts, hint, print, printJson, table, time, writeOutput } from "../output.ts";

const FORMATS = ["pem", "spiffe", "mesh-ca", "der"] as const;
type Format = (typeof FORMATS)[number];

export function bundleCommand(): Command {
  return new Command("bundle")
    .description("what may be trusted: anchors and published authorities")
    .addCommand(
      addConnectionOptions(new Command("show"))
        .description("show anchors and authorities")
        .option("--json", "print JSON")
        .action(show),
    )
    .addCommand(
      addConnectionOptions(new Command("export"))
        .description("write the trust bundle for other programs")
        .addOption(
          new Option(
            "--format <format>",
            "pem: anchors; spiffe: JWKS; der: anchors one after the other; mesh-ca: trust file for SDK, svid fetch and proxy",
          )
            .choices(FORMATS)
            .default("pem"),
        )
        .option("--out <file>", "write to a file instead of standard output")
        .action(exportBundle),
    )
    .addCommand(
      addConnectionOptions(new Command("prune"))
        .description("take an old upstream root out of the bundle; refused while a valid authority needs it")
        .argument("<root>", "its subject as `bundle show` prints it, or the SHA-256 of its certificate")
        .option("--json", "print JSON")
        .action(prune),
    );
}

async function show(options: ConnectionOptions & { readonly json?: boolean }): Promise<void> {
  await withConnection(options, async (server) => {
    const { trust, snapshot } = await server.trust();
    if (options.json) {
      printJson(snapshot);
      return;
    }
    print(
      facts([
        ["trust domain", trust.trustDomain.name],
        ["server ID", snapshot.serverId],
        ["sequence", trust.sequence.toString()],
        ["refresh hint", `${trust.refreshHintSeconds} s`],
      ]),
    );
    const rows = [
      ...trust.anchors.map((anchor) => [
        "anchor",
        "-",
        nameToString(anchor.subject),
        time(anchor.notAfter),
        anchor.publicKey.spkiSha256,
      ]),
      ...snapshot.authorities.map(({ certificate, state, spkiSha256 }) => {
        const { subject, notAfter } = parseCertificate(certificate);
        return ["authority", stateName(state), nameToString(subject), time(notAfter), toHex(spkiSha256)];
      }),
    ];
    print(`\n${table(["KIND", "STATE", "SUBJECT", "NOT AFTER", "KEY SHA-256"], rows)}`);
  });
}

function stateName(state: number): string {
  if (state === State.STATE_PREPARED) return "prepared";
  if (state === State.STATE_ACTIVE) return "active";
  if (state === State.STATE_TAINTED) return "tainted";
  return state === State.STATE_RETIRED ? "retired" : "unknown";
}

async function prune(anchor: string, options: ConnectionOptions & { readonly json?: boolean }): Promise<void> {
  await withConnection(options, async (server) => {
    const done = await server.call(server.authorities.pruneAnchor.bind(server.authorities), { anchor });
    if (options.json) printJson(done);
    else hint(`${done.subject} (${done.sha256}) is no longer in the bundle`);
  });
}

async function exportBundle(
  options: ConnectionOptions & { readonly format: Format; readonly out?: string },
): Promise<void> {
  await withConnection(options, async (server) => {
    const bytes = encode((await server.trust()).trust, options.format);
    if (options.out === undefined) {
      process.stdout.write(bytes);
      return;
    }
    await writeOutput("--out", options.out, bytes);
  });
}

function encode(trust: TrustSet, format: Format): string | Uint8Array {
  switch (format) {
    case "pem":
      return publishedAnchors(trust)
        .map((anchor) => encodePem("CERTIFICATE", anchor.der))
        .join("");
    case "der":
      return Buffer.concat(publishedAnchors(trust).map((anchor) => anchor.der));
    case "spiffe":
      return encodeTrustBundle(trust);
    case "mesh-ca":
      return encodeTrustFile(trust);
  }
}
