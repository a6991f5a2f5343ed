// Every change of an authority is cut off after each of its durable steps: by kill -9, and by a database that goes away with its answer.
// Afterwards the record, the rows and the keys say the same, the rotator clears what was left, and the same command ends what it began.
import assert from "node:assert/strict";
import { test } from "node:test";
import { AuthorityManager, loadTransitions, Rotator } from "../../../src/ca/authority/index.ts";
import { mayBecome } from "../../../src/ca/authority/state.ts";
import { DEFAULT_ISSUANCE_SETTINGS, Issuer } from "../../../src/ca/issuance/index.ts";
import { offlineUpstream, selfSignedUpstream } from "../../../src/ca/upstream/index.ts";
import { MeshCaError, silentLogger } from "../../../src/runtime/index.ts";
import { Enterprise } from "../../support/enterprise.ts";
import { makeRequest, type World } from "../issuance/world.ts";
import { type Death, Mortal } from "./mortal.ts";
import { administrative, DAY, keysOf, withOfflineWorld, withWorld } from "./support.ts";

interface Scenario {
  readonly name: string;
  readonly upstream: "self-signed" | "offline";
  readonly uninitialised?: boolean;
  /** What comes before; its answer is handed to `run`. */
  setUp?(world: World, enterprise: Enterprise): Promise<string>;
  /** The change; may be called again after an interruption. */
  run(manager: AuthorityManager, world: World, enterprise: Enterprise, given: string): Promise<unknown>;
  /** Codes with which the second call may say that the first had done it. */
  readonly done?: readonly string[];
  /** Whether a certificate can be issued afterwards. Default true. */
  readonly issues?: boolean;
  check(manager: AuthorityManager, given: string): void;
}

const cause = "operator";
const states = (manager: AuthorityManager) => manager.records().map(({ state }) => state);
const prepared = async ({ authorities, clock }: World): Promise<string> => {
  const { spkiSha256 } = await authorities.prepare("test");
  clock.advance(1500);
  return spkiSha256;
};
const waiting = async ({ authorities }: World): Promise<string> => (await authorities.request("test")).spkiSha256;
const isActive = (manager: AuthorityManager, spkiSha256: string): void =>
  assert.equal(manager.active().spkiSha256, spkiSha256);

async function importSigned(
  manager: AuthorityManager,
  world: World,
  enterprise: Enterprise,
  emergency = false,
): Promise<unknown> {
  const [request] = manager.pendingRequests();
  if (request === undefined) return undefined;
  const files = enterprise.answer(request.csr, world.clock.now(), 90);
  const report = await manager.import(files, { cause, dryRun: false, emergency });
  assert.equal(report.kind, "accepted", JSON.stringify(report));
  return report;
}

const scenarios: readonly Scenario[] = [
  {
    name: "prepare",
    upstream: "self-signed",
    run: async (manager) => {
      if (!states(manager).includes("prepared")) await manager.prepare(cause);
    },
    check: (manager) =>
      assert.deepEqual(
        states(manager).filter((state) => state !== "removed"),
        ["active", "prepared"],
      ),
  },
  {
    name: "activate",
    upstream: "self-signed",
    setUp: prepared,
    run: (manager, _world, _enterprise, given) => manager.activate(given, { cause }),
    done: ["MCA_AUTHORITY_TRANSITION"],
    check: isActive,
  },
  {
    name: "rotate, without a successor",
    upstream: "self-signed",
    run: (manager) => manager.rotate(cause),
    check: (manager) =>
      assert.deepEqual(
        states(manager).filter((state) => state !== "removed"),
        ["active", "prepared"],
      ),
  },
  {
    name: "taint of the active one",
    upstream: "self-signed",
    setUp: prepared,
    run: (manager) => manager.taint(manager.records()[0]?.spkiSha256 ?? "", { cause }),
    done: ["MCA_AUTHORITY_TRANSITION"],
    check: (manager, given) => {
      isActive(manager, given);
      assert.deepEqual(states(manager), ["tainted", "active"]);
    },
  },
  {
    name: "revocation of the active one",
    upstream: "self-signed",
    setUp: prepared,
    run: (manager) => manager.revoke(manager.records()[0]?.spkiSha256 ?? "", { cause }),
    done: ["MCA_AUTHORITY_TRANSITION"],
    check: (manager, given) => {
      isActive(manager, given);
      assert.deepEqual(states(manager), ["removed", "active"]);
    },
  },
  {
    name: "removal",
    upstream: "self-signed",
    setUp: async (world) => {
      await world.authorities.activate(await prepared(world), { cause: "test" });
      return world.authorities.records()[0]?.spkiSha256 ?? "";
    },
    run: (manager, _world, _enterprise, given) => manager.remove(given, cause),
    check: (manager) => assert.deepEqual(states(manager), ["removed", "active"]),
  },
  {
    name: "request",
    upstream: "offline",
    run: (manager) => manager.request(cause),
    check: (manager) => assert.equal(manager.pendingRequests().length, 1),
  },
  {
    name: "request anew",
    upstream: "offline",
    setUp: waiting,
    run: async (manager, _world, _enterprise, given) => {
      if (manager.pendingRequests().every(({ spkiSha256 }) => spkiSha256 === given)) {
        await manager.request(cause, { renew: true });
      }
    },
    check: (manager, given) => {
      assert.equal(manager.pendingRequests().length, 1);
      assert.notEqual(manager.pendingRequests()[0]?.spkiSha256, given);
    },
  },
  {
    name: "import of a successor",
    upstream: "offline",
    setUp: waiting,
    run: (manager, world, enterprise) => importSigned(manager, world, enterprise),
    check: (manager) => assert.deepEqual(states(manager), ["active", "prepared"]),
  },
  {
    name: "import in an emergency",
    upstream: "offline",
    setUp: waiting,
    run: (manager, world, enterprise) => importSigned(manager, world, enterprise, true),
    check: (manager, given) => {
      isActive(manager, given);
      assert.ok(!states(manager).includes("prepared"));
    },
  },
  {
    name: "import of the first authority",
    upstream: "offline",
    uninitialised: true,
    setUp: async (world) => (await AuthorityManager.initialise(world.dependencies)).spkiSha256,
    run: (manager, world, enterprise) => importSigned(manager, world, enterprise),
    check: isActive,
  },
  {
    name: "pruning of a root",
    upstream: "offline",
    setUp: async (world) => {
      const old = world.authorities.trustSet().anchors[0]?.sha256 ?? "";
      await waiting(world);
      await importSigned(world.authorities, world, new Enterprise({ now: world.clock.now(), name: "New" }), true);
      // The probe under the old root has expired.
      world.clock.advance(120);
      return old;
    },
    run: (manager, _world, _enterprise, given) => manager.pruneRoot(given, cause),
    check: (manager, given) => {
      assert.ok(!manager.trustSet().anchors.some(({ sha256 }) => sha256 === given));
      assert.deepEqual(states(manager), ["removed", "active"]);
    },
  },
];

/** Runs a scenario, cut off after `steps`. Answers whether it was. */
async function interrupt(scenario: Scenario, death: Death, steps: number): Promise<boolean> {
  const { upstream, uninitialised = false, run, setUp, done = [], check } = scenario;
  const mortal = new Mortal(death, steps);
  const go = async (world: World, enterprise: Enterprise): Promise<void> => {
    const given = (await setUp?.(world, enterprise)) ?? "";
    const doomed = await AuthorityManager.open(mortal.dependencies(world));
    let failure: unknown;
    await run(doomed, world, enterprise, given).catch((error: unknown) => {
      failure = error;
    });
    const where = `${scenario.name}, ${death} after step ${steps} (${mortal.last}): ${failure}`;
    assert.equal(failure !== undefined, mortal.dead, where);
    if (!mortal.dead) return await doomed.close();
    assert.ok(failure instanceof MeshCaError || death === "killed", where);
    // Whoever waits for a hand-over is let go, whatever became of it.
    assert.equal(doomed.handover(), undefined, where);
    if (death === "killed") await doomed.close();
    else mortal.revive();
    const manager = death === "killed" ? await AuthorityManager.open(world.dependencies) : doomed;
    try {
      await recover(manager, world);
      try {
        await run(manager, world, enterprise, given);
      } catch (error) {
        assert.ok(error instanceof MeshCaError && done.includes(error.code), `${where}; again: ${error}`);
      }
      await recover(manager, world);
      check(manager, given);
      await consistent(manager, world, where);
    } finally {
      await manager.close();
    }
  };
  if (upstream === "self-signed") await withWorld({}, (world) => go(world, new Enterprise({ now: world.clock.now() })));
  else if (!uninitialised) await withOfflineWorld({ days: 90 }, go);
  else {
    await withWorld({ upstream: offlineUpstream(), uninitialised: true }, (world) =>
      go(world, new Enterprise({ now: world.clock.now() })),
    );
  }
  return mortal.died;
}

/** What a server does after its start. */
async function recover(manager: AuthorityManager, { clock, settings }: World): Promise<void> {
  await manager.refresh();
  const rotator = new Rotator({ authorities: manager, clock, settings, logger: silentLogger });
  await rotator.tick();
  await rotator.tick();
}

/** Rows, record, keys and bundle agree. */
async function consistent(manager: AuthorityManager, world: World, where: string): Promise<void> {
  const keys = new Set(await keysOf(world));
  const entries = await world.entries();
  const transitions = await loadTransitions(world.database);
  for (const { spkiSha256, state, csr, keyDestroyedAt } of manager.records()) {
    const told = (kind: string): number =>
      entries.filter((entry) => entry["kind"] === kind && entry["authority"] === spkiSha256).length;
    assert.equal(keys.has(spkiSha256), state !== "removed", `${where}: the key of one that is ${state}`);
    assert.equal(told("authority.key-destroyed"), state === "removed" ? 1 : 0, `${where}: the record of its end`);
    assert.equal(keyDestroyedAt !== undefined, state === "removed", where);
    if (state === "requested") assert.ok(csr, where);
    const steps = transitions.filter((each) => each.spkiSha256 === spkiSha256);
    assert.equal(steps.at(-1)?.to, state, where);
    for (const { from, to, logIndex } of steps) {
      assert.ok(from === undefined || mayBecome(from, to), where);
      assert.equal(entries[Number(logIndex)]?.["authority"], spkiSha256, where);
      assert.equal(told(to === "active" ? "authority.activated" : `authority.${to}`), 1, where);
    }
  }
  const known = new Set(manager.records().map(({ spkiSha256 }) => spkiSha256));
  // Written, and the process died before it was on record: it has signed nothing, and the doctor names it.
  assert.ok([...keys].filter((key) => !known.has(key)).length <= 1, where);
  const changes = (await administrative(world)).filter((kind) => kind === "bundle.changed").length;
  assert.equal(manager.trustSet().sequence, BigInt(changes + 1), where);
  assert.equal(manager.health().kind, "ready", where);
  const issuer = new Issuer({ ...world.dependencies, authorities: manager, settings: DEFAULT_ISSUANCE_SETTINGS });
  await issuer.start();
  await issuer.issueX509Svid(makeRequest());
  await issuer.close();
}

for (const scenario of scenarios) {
  for (const death of ["killed", "outage"] as const) {
    test(`${scenario.name}, cut off after each step (${death}): nothing is lost, and the same command ends it`, async () => {
      let steps = 1;
      while (await interrupt(scenario, death, steps)) steps += 1;
      assert.ok(steps > 1, "there was something to cut off");
    });
  }
}

test("init, killed after each step: run again it makes one authority, and clears what it left", async () => {
  for (const upstream of [selfSignedUpstream, offlineUpstream()]) {
    for (let steps = 1, dead = true; dead; steps += 1) {
      await withWorld({ upstream, uninitialised: true }, async (world) => {
        const mortal = new Mortal("killed", steps);
        await AuthorityManager.initialise(mortal.dependencies(world)).catch(() => {});
        dead = mortal.dead;
        const done = { code: "MCA_ALREADY_INITIALISED" };
        await AuthorityManager.initialise(world.dependencies).catch((error: unknown) => {
          assert.deepEqual({ code: error instanceof MeshCaError && error.code }, done);
        });
        await recover(world.authorities, world);
        const living = world.authorities.records().filter(({ state }) => state !== "removed");
        assert.equal(living.length, 1);
        if (upstream.answersAtOnce) await consistent(world.authorities, world, `init, step ${steps} (${mortal.last})`);
        else assert.equal(world.authorities.pendingRequests().length, 1);
        world.clock.advance(DAY / 24);
      });
    }
  }
});
