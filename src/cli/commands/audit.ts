// `mesh-ca audit list|show`: questions to the record of issued identities.
import { Command } from "commander";
import type { GetIssuanceResponse, Issuance, ListIssuancesRequest } from "../../proto/gen/meshca/identity/v1/admin.ts";
import { encodePem, toHex } from "../../x509/index.ts";
import { addConnectionOptions, type Connection, type ConnectionOptions, withConnection } from "../connection.ts";
import { CliError } from "../errors.ts";
import { facts, hint, print, printable, printJson, table, time, toJson } from "../output.ts";
import { parseInteger, parseTime } from "../parse.ts";

interface ListOptions extends ConnectionOptions {
  readonly id?: string;
  readonly idPrefix?: string;
  readonly serial?: string;
  readonly requester?: string;
  readonly authority?: string;
  readonly lineage?: string;
  readonly from?: string;
  readonly until?: string;
  readonly validAt?: string;
  readonly withoutOutcome?: boolean;
  readonly newestFirst?: boolean;
  readonly limit: string;
  readonly cursor?: string;
  readonly json?: boolean;
}

const MAX_LIMIT = 10_000_000;
const MAX_PAGE = 1_000;

export function auditCommand(): Command {
  return new Command("audit")
    .description("the record of issued identities")
    .addCommand(
      addConnectionOptions(new Command("list"))
        .description("list issued identities; all filters given must hold")
        .option("--id <spiffe-id>", "exact SPIFFE ID")
        .option("--id-prefix <spiffe-id>", "SPIFFE ID itself and everything below it")
        .option("--serial <hex>", "serial number")
        .option("--requester <name>", "who asked, as recorded: token:ID, jwt:INSTANCE:SUB, a SPIFFE ID, ...")
        .option("--authority <hex>", "SHA-256 of the authority's key: what did it sign?")
        .option("--lineage <uuid>", "one enrolment and all its renewals")
        .option("--from <time>", "issued at or after, RFC 3339")
        .option("--until <time>", "issued before, RFC 3339")
        .option("--valid-at <time>", "valid at that moment: who could speak then?")
        .option("--without-outcome", "recorded, but the signature was never reported")
        .option("--newest-first", "newest first; default: oldest first")
        .option("--limit <n>", "how many at most", "100")
        .option("--cursor <cursor>", "go on where an earlier answer ended")
        .option("--json", "print JSON lines, one for each identity")
        .action(list),
    )
    .addCommand(
      addConnectionOptions(new Command("show"))
        .description("show one issuance whole, with the certificate rebuilt from the record")
        .argument("<serial-or-index>", "serial number in hex, or log index in decimal")
        .option("--json", "print JSON")
        .option("--pem", "print only the certificate")
        .action(show),
    );
}

async function list(options: ListOptions): Promise<void> {
  const limit = parseInteger("--limit", options.limit, 1, MAX_LIMIT);
  const request = requestOf(options);
  await withConnection(options, async (server) => {
    let rows: string[][] = [];
    let printed = 0;
    let cursor = options.cursor ?? "";
    do {
      const pageSize = Math.min(limit - printed, MAX_PAGE);
      const page = await server.call(server.audit.listIssuances.bind(server.audit), { ...request, cursor, pageSize });
      for (const issuance of page.issuances) {
        if (options.json) print(toJson(issuance));
        else rows.push(row(issuance));
      }
      printed += page.issuances.length;
      cursor = page.nextCursor;
      // Long answers are printed page by page; a short one gets columns that fit it.
      if (!options.json && (rows.length >= MAX_PAGE || cursor === "" || printed >= limit)) {
        if (rows.length > 0 || printed === 0) print(table(HEADER, rows));
        rows = [];
      }
    } while (cursor !== "" && printed < limit);
    if (cursor !== "") hint(`There is more: --limit takes more at once, --cursor ${cursor} goes on from here.`);
    else if (printed === 0) hint("Nothing is recorded that fits.");
  });
}

const HEADER = ["INDEX", "ISSUED", "NOT AFTER", "SPIFFE ID", "SERIAL", "REQUESTER", "RULE", "SIGNED"];

function row(issuance: Issuance): string[] {
  return [
    issuance.logIndex.toString(),
    time(issuance.issuedAt),
    time(issuance.notAfter),
    issuance.spiffeId,
    issuance.serial,
    issuance.requester,
    issuance.rule || "-",
    issuance.hasOutcome ? "yes" : "no",
  ];
}

function requestOf(options: ListOptions): ListIssuancesRequest {
  const when = (option: string, value: string | undefined): Date | undefined =>
    value === undefined ? undefined : parseTime(option, value);
  return {
    spiffeId: options.id ?? "",
    spiffeIdPrefix: options.idPrefix ?? "",
    serial: options.serial?.toLowerCase() ?? "",
    requester: options.requester ?? "",
    authority: options.authority?.toLowerCase() ?? "",
    lineage: options.lineage?.toLowerCase() ?? "",
    issuedFrom: when("--from", options.from),
    issuedUntil: when("--until", options.until),
    validAt: when("--valid-at", options.validAt),
    withoutOutcome: options.withoutOutcome === true,
    newestFirst: options.newestFirst === true,
    pageSize: 0,
    cursor: "",
  };
}

async function show(
  key: string,
  options: ConnectionOptions & { readonly json?: boolean; readonly pem?: boolean },
): Promise<void> {
  await withConnection(options, async (server) => {
    const record = await getIssuance(server, key);
    if (options.pem) {
      if (record.certificate.length === 0) {
        throw new CliError(
          "MCA_CLI_USAGE",
          "There is no certificate to print: its signature was never reported (--json shows the rest).",
        );
      }
      print(encodePem("CERTIFICATE", record.certificate));
    } else if (options.json) printJson({ ...record, entry: JSON.parse(Buffer.from(record.entry).toString("utf8")) });
    else printRecord(record);
  });
}

function getIssuance(server: Connection, key: string): Promise<GetIssuanceResponse> {
  const method = server.audit.getIssuance.bind(server.audit);
  // A serial has 34 hex digits, an index at most 19 decimal ones.
  if (/^\d{1,19}$/.test(key)) return server.call(method, { key: { $case: "logIndex", value: BigInt(key) } });
  return server.call(method, { key: { $case: "serial", value: key.replaceAll(":", "").toLowerCase() } });
}

function printRecord(record: GetIssuanceResponse): void {
  const { issuance } = record;
  if (issuance === undefined) return;
  print(
    facts([
      ["log index", issuance.logIndex.toString()],
      ["SPIFFE ID", issuance.spiffeId],
      ["serial", issuance.serial],
      ["issued", time(issuance.issuedAt)],
      ["valid", `${time(issuance.notBefore)} to ${time(issuance.notAfter)}`],
      ["requester", issuance.requester],
      ["rule", issuance.rule === "" ? "-" : `${issuance.rule} (revision ${issuance.ruleRevision})`],
      ["lineage", issuance.lineage || "-"],
      ["authority", issuance.authority],
      ["key SHA-256", issuance.spkiSha256],
      ["outcome", record.result || "none recorded: nobody is known to have got this certificate"],
      ["leaf hash", toHex(record.leafHash)],
    ]),
  );
  print(`\nentry\n${printable(Buffer.from(record.entry).toString("utf8"))}`);
  if (record.certificate.length > 0) print(`\n${encodePem("CERTIFICATE", record.certificate)}`);
}
