// What the tests of the authorities' life have in common.
import { AuthorityError, AuthorityManager, Rotator } from "../../../src/ca/authority/index.ts";
import { offlineUpstream } from "../../../src/ca/upstream/index.ts";
import { silentLogger } from "../../../src/runtime/index.ts";
import { Enterprise } from "../../support/enterprise.ts";
import { createWorld, type World, type WorldOptions } from "../issuance/world.ts";

export const DAY = 86_400;

export async function withWorld(options: WorldOptions, run: (world: World) => Promise<void>): Promise<void> {
  const world = await createWorld(options);
  try {
    await run(world);
  } finally {
    await world.close();
  }
}

/** A trust domain whose authorities people sign, with its first one active. */
export async function withOfflineWorld(
  options: WorldOptions & { readonly days?: number },
  run: (world: World, enterprise: Enterprise) => Promise<void>,
): Promise<void> {
  const upstream = offlineUpstream();
  await withWorld({ ...options, upstream, uninitialised: true }, async (world) => {
    const enterprise = new Enterprise({ now: world.clock.now() });
    const { request } = await AuthorityManager.initialise(world.dependencies);
    if (request === undefined) throw new TypeError("people sign, so that there is a request");
    await world.authorities.refresh();
    const files = enterprise.answer(request.csr, world.clock.now(), options.days ?? 90);
    const report = await world.authorities.import(files, { cause: "ceremony", dryRun: false });
    if (report.kind === "refused") throw new Error(JSON.stringify(report.findings));
    await run(world, enterprise);
  });
}

/** The states of all authorities, oldest first. */
export const statesOf = (world: World): readonly string[] => world.authorities.records().map(({ state }) => state);

export const refused = (code: string) => (error: unknown) => error instanceof AuthorityError && error.code === code;

/** Kinds of administrative entries, in order: outcomes of probes come when they come. */
export async function administrative(world: World): Promise<readonly string[]> {
  return (await world.entries()).map(({ kind }) => `${kind}`).filter((kind) => !kind.startsWith("svid."));
}

export const keysOf = async (world: World): Promise<readonly string[]> =>
  (await world.keyStore.list()).map(({ spkiSha256 }) => spkiSha256);

export function rotatorOf(world: World): Rotator {
  const { authorities, clock, settings } = world;
  return new Rotator({ authorities, clock, settings, logger: silentLogger });
}

/** Everything that a change could change: rows, ledger, keys, trust. Outcomes of earlier signatures may come late. */
export async function snapshotOf(world: World): Promise<unknown> {
  const { owner, authorities } = world;
  const rows = async (table: string): Promise<unknown> =>
    owner.query({ name: "", text: `SELECT t::text FROM ${table} t ORDER BY 1` });
  return {
    authority: await rows("authority"),
    transitions: await rows("authority_transition"),
    trust: await rows("trust_state"),
    issuances: await rows("issuance"),
    serials: await rows("serial"),
    entries: await administrative(world),
    probes: (await world.entries()).filter(({ kind }) => kind === "svid.probe").length,
    keys: await keysOf(world),
    revision: authorities.revision,
    published: authorities.published().map(({ spkiSha256, state }) => `${spkiSha256} ${state}`),
  };
}
