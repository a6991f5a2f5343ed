// `mesh-ca token create|list|void`. The token is the only thing on standard output, so that it can be piped into a file.
import { Command } from "commander";
import { addConnectionOptions, type ConnectionOptions, withConnection } from "../connection.ts";
import { CliError } from "../errors.ts";
import { hint, print, printJson, table, time } from "../output.ts";
import { collect, parseDuration, parsePairs } from "../parse.ts";

interface CreateOptions extends ConnectionOptions {
  readonly attribute: readonly string[];
  readonly ttl?: string;
  readonly address?: string;
  readonly json?: boolean;
}

export function tokenCommand(): Command {
  return new Command("token")
    .description("join tokens: one enrolment each")
    .addCommand(
      addConnectionOptions(new Command("create"))
        .description("create a join token and print it; it is shown this once, only its hash is kept")
        .requiredOption(
          "-a, --attribute <name=value>",
          "what the rules shall know about whoever redeems it, for example service=cart (repeatable)",
          collect,
          [],
        )
        .option("--ttl <duration>", "how long it may be redeemed, for example 30m (default: 1h)")
        .option("--address <host:port>", "where the workload shall call; default: the server's public address")
        .option("--json", "print JSON")
        .action(create),
    )
    .addCommand(
      addConnectionOptions(new Command("list"))
        .description("list join tokens, without their secrets")
        .option("--json", "print JSON lines")
        .action(list),
    )
    .addCommand(
      addConnectionOptions(new Command("void"))
        .description("make a token that was not redeemed worthless")
        .argument("<token-id>", "as `token list` shows it")
        .option("--json", "print JSON")
        .action(voidToken),
    );
}

async function create(options: CreateOptions): Promise<void> {
  const attributes = parsePairs("--attribute", options.attribute);
  if (Object.keys(attributes).length === 0) {
    throw new CliError(
      "MCA_CLI_USAGE",
      "--attribute is missing; give at least one, for example --attribute service=cart.",
    );
  }
  await withConnection(options, async (server) => {
    const created = await server.call(server.tokens.createJoinToken.bind(server.tokens), {
      attributes,
      ttlSeconds: options.ttl === undefined ? 0 : parseDuration("--ttl", options.ttl),
      server: options.address ?? "",
    });
    if (options.json) {
      printJson(created);
      return;
    }
    print(created.token);
    const grant = created.grant === undefined ? "no identity: no rule matches now" : created.grant.spiffeId;
    hint(`token ${created.tokenId}, valid until ${time(created.expiresAt)}, earns ${grant}`);
    if (created.shortenedBy !== "") hint(`its lifetime was shortened: ${created.shortenedBy}`);
  });
}

async function list(options: ConnectionOptions & { readonly json?: boolean }): Promise<void> {
  await withConnection(options, async (server) => {
    const rows: string[][] = [];
    let cursor = "";
    do {
      const page = await server.call(server.tokens.listJoinTokens.bind(server.tokens), { pageSize: 0, cursor });
      for (const token of page.tokens) {
        if (options.json) printJson(token);
        else {
          rows.push([
            token.tokenId,
            state(token.redeemedAt, token.voidedAt),
            time(token.createdAt),
            time(token.expiresAt),
            Object.entries(token.attributes)
              .map(([name, value]) => `${name}=${value}`)
              .join(" "),
            token.createdBy,
          ]);
        }
      }
      cursor = page.nextCursor;
    } while (cursor !== "");
    if (!options.json) print(table(["TOKEN", "STATE", "CREATED", "EXPIRES", "ATTRIBUTES", "CREATED BY"], rows));
  });
}

function state(redeemedAt: Date | undefined, voidedAt: Date | undefined): string {
  if (voidedAt !== undefined) return "void";
  return redeemedAt === undefined ? "open" : "redeemed";
}

async function voidToken(tokenId: string, options: ConnectionOptions & { readonly json?: boolean }): Promise<void> {
  await withConnection(options, async (server) => {
    await server.call(server.tokens.voidJoinToken.bind(server.tokens), { tokenId });
    if (options.json) printJson({ tokenId, voided: true });
    else hint(`token ${tokenId} is void`);
  });
}
