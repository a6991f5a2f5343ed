// The files that an identity and the trust in others come from, read as a start would read them, for `proxy check`. Nothing is served by it.
import type { SchedulingClock } from "../../identity-client/index.ts";
import { silentLogger } from "../../runtime/index.ts";
import type { ProxyConfig } from "../config/schema.ts";
import { FederationFiles } from "../reload/federation-files.ts";
import { FileIdentity } from "./file-identity.ts";

/**
 * Reads them.
 * @returns a sentence for what a start would wait for
 * @throws what would end a start: anchors of another trust domain that cannot be used
 */
export async function checkFiles(config: ProxyConfig, clock: SchedulingClock): Promise<string[]> {
  // Waiting for files to rest keeps no process alive by itself.
  const alive = setInterval(() => {}, 60_000);
  try {
    return await readFiles(config, clock);
  } finally {
    clearInterval(alive);
  }
}

async function readFiles(config: ProxyConfig, clock: SchedulingClock): Promise<string[]> {
  await new FederationFiles({ federation: config.federation, onChange: () => {}, logger: silentLogger }).first();
  if (config.identity.kind !== "files") return [];
  const identity = new FileIdentity({ ...config.identity, clock, logger: silentLogger });
  await identity.look();
  const { problem } = identity.reload();
  await identity.close();
  return problem === undefined ? [] : [`Note: the identity cannot be used now: ${problem.sentence} (${problem.code})`];
}
