// `mesh-ca server`: the certificate authority and its Identity API, in the foreground until SIGTERM or Ctrl-C.
import { Command } from "commander";
import { startServer } from "../../identity-api/index.ts";
import { closeOnSignal, collectStartUpGarbage, createLogger } from "../../runtime/index.ts";
import { hint } from "../output.ts";
import { addServerConfigOptions, type ConfigOptions, configFor } from "../server-config.ts";

export function serverCommand(): Command {
  return addServerConfigOptions(new Command("server"))
    .description("run the server in the foreground; the log goes to standard error as JSON lines")
    .action(run);
}

async function run(options: ConfigOptions): Promise<void> {
  const config = await configFor(options);
  const logger = createLogger({ level: config.log.level });
  const server = await startServer(config, { logger });
  collectStartUpGarbage();
  if (process.stderr.isTTY) {
    const { grpc, operations } = server.addresses;
    hint(
      `mesh-ca ${config.trustDomain}: ${grpc === undefined ? "not issuing, see /readyz" : `issuing at ${server.publicAddress}`}; health at http://${operations.host}:${operations.port}/readyz; admin socket ${server.adminSocket}`,
    );
  }
  // Calls in flight get their grace; closing the rest has ten seconds more.
  await closeOnSignal(server, { logger, deadlineMs: (config.limits.shutdownGraceSeconds + 10) * 1000 });
}
