// `mesh-ca authority import`: reads the files, sends them, and says what was found. A private key among them never leaves this machine.
import { open } from "node:fs/promises";
import { status } from "@grpc/grpc-js";
import { type ImportFile, readCertificates, UpstreamError } from "../ca/index.ts";
import { ServerRefusal } from "../identity-client/index.ts";
import { type AcceptedImport, type Finding, Finding_Severity } from "../proto/gen/meshca/identity/v1/authority.ts";
import { type ConnectionOptions, withConnection } from "./connection.ts";
import { CliError } from "./errors.ts";
import { facts, hint, print, printable, printJson, time } from "./output.ts";

/** More is no bundle of certificates. */
const MAX_BYTES = 4 * 1024 * 1024;

export interface ImportCommandOptions extends ConnectionOptions {
  readonly dryRun?: boolean;
  readonly emergency?: boolean;
  readonly recover?: boolean;
  readonly json?: boolean;
}

/** @throws ServerRefusal MCA_UPSTREAM_CERTIFICATE_REFUSED after what was found has been printed */
export async function importFiles(names: readonly string[], options: ImportCommandOptions): Promise<void> {
  const files = await Promise.all(names.map(readFile));
  refusePrivateKeys(files);
  await withConnection(options, async (server) => {
    const answer = await server.call(server.authorities.importAuthority.bind(server.authorities), {
      files: files.map(({ name, bytes }) => ({ name, content: bytes })),
      dryRun: options.dryRun === true,
      emergency: options.emergency === true,
      recover: options.recover === true,
    });
    const { outcome, dryRun } = answer;
    if (outcome === undefined) throw new TypeError("an answer without an outcome");
    if (options.json) printJson({ outcome: outcome.$case, ...outcome.value, dryRun });
    if (outcome.$case === "accepted") {
      if (!options.json) printAccepted(outcome.value, dryRun);
      return;
    }
    const { findings } = outcome.value;
    if (!options.json) print(`${findingsText(findings)}\n\n`);
    const errors = findings.filter(({ severity }) => severity !== Finding_Severity.SEVERITY_WARNING).length;
    throw new ServerRefusal(
      "MCA_UPSTREAM_CERTIFICATE_REFUSED",
      `The import is refused for ${errors} reason${errors === 1 ? "" : "s"}, told above. Nothing was changed.`,
      status.FAILED_PRECONDITION,
    );
  });
}

function printAccepted(
  { spkiSha256, path, endsAt, warnings, activated, activatesAt }: AcceptedImport,
  dryRun: boolean,
) {
  if (warnings.length > 0) print(`${findingsText(warnings)}\n\n`);
  const when = activated ? "now" : activatesAt === undefined ? "by the rotation" : time(activatesAt);
  print(
    facts([
      [dryRun ? "acceptable" : "imported", spkiSha256],
      ["path", path.join(" < ")],
      ["ends", time(endsAt)],
      [dryRun ? "would sign" : "signs", when],
    ]),
  );
  if (dryRun) hint("Only judged: nothing was changed.");
}

/** One paragraph for each, errors first: sentences do not fit into the columns of a terminal. */
function findingsText(findings: readonly Finding[]): string {
  const isWarning = ({ severity }: Finding): boolean => severity === Finding_Severity.SEVERITY_WARNING;
  const inOrder = [...findings.filter((each) => !isWarning(each)), ...findings.filter(isWarning)];
  return inOrder
    .map((finding) => {
      const { certificate, rule, found, expected, remedy } = finding;
      const told: (readonly [string, string])[] = [
        ["certificate", certificate],
        ["found", found],
        ["expected", expected],
      ];
      if (remedy !== "") told.push(["what helps", remedy]);
      return `${isWarning(finding) ? "WARNING" : "ERROR"} ${printable(rule)}\n${facts(told)}`;
    })
    .join("\n\n");
}

async function readFile(name: string): Promise<ImportFile> {
  const file = await open(name, "r").catch((cause: unknown) => {
    throw unusable(name, "cannot be read. Check the path and who may read it.", cause);
  });
  try {
    const { size } = await file.stat();
    if (size > MAX_BYTES) throw unusable(name, `has ${size} bytes; at most ${MAX_BYTES} are read.`);
    const buffer = new Uint8Array(MAX_BYTES + 1);
    const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
    if (bytesRead > MAX_BYTES) throw unusable(name, `has more than ${MAX_BYTES} bytes.`);
    return { name, bytes: buffer.slice(0, bytesRead) };
  } catch (cause) {
    if (cause instanceof CliError) throw cause;
    throw unusable(name, "cannot be read. Is it a file?", cause);
  } finally {
    await file.close();
  }
}

/** Everything else is judged by the server, which has the rules of its version. */
function refusePrivateKeys(files: readonly ImportFile[]): void {
  try {
    readCertificates(files);
  } catch (error) {
    if (error instanceof UpstreamError && error.code === "MCA_IMPORT_PRIVATE_KEY") throw error;
  }
}

function unusable(name: string, what: string, cause?: unknown): CliError {
  return new CliError("MCA_CLI_FILE", `The file ${name} ${what}`, cause === undefined ? {} : { cause });
}
