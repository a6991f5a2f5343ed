// `mesh-ca bundle show|export`: what may be trusted, for people and for programs.
import { writeFile } from "node:fs/promises";
import { Command, Option } from "commander";
import { PublishedAuthority_State as State } from "../../proto/gen/meshca/identity/v1/identity.ts";
import { encodeTrustBundle, encodeTrustFile, publishedAnchors, type TrustSet } from "../../spiffe/index.ts";
import { encodePem, nameToString, parseCertificate, toHex } from "../../x509/index.ts";
import { addConnectionOptions, type ConnectionOptions, withConnection } from "../connection.ts";
import { CliError } from "../errors.ts";
import { facts, hint, print, printJson, table, time } from "../output.ts";

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
  return state === State.STATE_RETIRED ? "retired" : "unknown";
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
    try {
      await writeFile(options.out, bytes);
    } catch (cause) {
      throw new CliError("MCA_CLI_FILE", `--out: ${options.out} cannot be written. Check the path and its folder.`, {
        cause,
      });
    }
    hint(`written to ${options.out}`);
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
