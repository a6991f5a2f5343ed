// A year in the life of a trust domain, with a clock that is moved: the real issuer, ledger, PostgreSQL and rotator, and clients that
// follow the published trust by the messages of WatchTrust, each in its own time, one later than the other (year-clients.ts).
//
//   await simulateYear({ upstream: "offline", onLeaf: ({ chain, time }) => ..., onBundle: ({ anchors, time }) => ... });
//
// Every leaf is verified by every client at every moment of its life: for one trust set a leaf is valid from one time to another, so that
// it is enough to look at both ends of each stretch in which neither changes (it was issued, a client learned something, it expired).
// And whatever else becomes valid stays refused: a leaf for our trust domain by a sibling CA under the enterprise.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AuthorityError, AuthorityManager, Rotator } from "../../src/ca/authority/index.ts";
import { propagationSeconds } from "../../src/ca/authority/settings.ts";
import { DiskUpstream, offlineUpstream, selfSignedUpstream, type Upstream } from "../../src/ca/upstream/index.ts";
import { silentLogger } from "../../src/runtime/index.ts";
import { SpiffeError, type TrustSet, X509SvidVerifier } from "../../src/spiffe/index.ts";
import { type Certificate, parseCertificate } from "../../src/x509/index.ts";
import { FakeClock, makeCsr, TRUST_DOMAIN } from "../ca/issuance/materials.ts";
import { createWorld, makeGrant, makeRequest, type World } from "../ca/issuance/world.ts";
import { Enterprise } from "./enterprise.ts";
import { chainPem, createIntermediate, createLeaf, type TestCertificate } from "./pki.ts";
import { YearClients } from "./year-clients.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** How long people take to sign. */
const CEREMONY_MS = 3 * DAY;
/** How long people's signatures last. */
const OFFLINE_DAYS = 90;

export type YearUpstream = "self-signed" | "disk" | "offline";

/** A leaf of the simulation as a foreign verifier may want to see it. */
export interface YearLeaf {
  /** Leaf first, without the root. DER. */
  readonly chain: readonly Uint8Array[];
  /** When it was issued, and its last moment. Unix milliseconds. */
  readonly time: number;
  readonly notAfter: number;
}

/** What a foreign verifier may trust from one moment on: the bundle. */
export interface YearBundle {
  readonly anchors: readonly Uint8Array[];
  readonly time: number;
}

export interface YearOptions {
  readonly upstream: YearUpstream;
  /** Called once for each leaf. */
  readonly onLeaf?: (leaf: YearLeaf) => void | Promise<void>;
  /** Called with each bundle that is published. */
  readonly onBundle?: (bundle: YearBundle) => void;
  /** 365 if unset. The enterprise changes its root in the middle. */
  readonly days?: number;
  /** Where nothing happens the clock moves in steps of so many hours. 12 if unset. */
  readonly stepHours?: number;
}

export interface YearReport {
  readonly leaves: number;
  readonly verifications: number;
  /** Authorities that signed. */
  readonly signers: number;
  /** Roots that were ever in the bundle. */
  readonly roots: number;
  /** Keys on disk at the end, and those of the authorities that still live. */
  readonly keys: readonly string[];
  readonly living: readonly string[];
  /** The states that were left at the end. */
  readonly states: readonly string[];
  /** Sequences of the bundle, in the order in which they were published. */
  readonly sequences: readonly bigint[];
  /** How often the old root could not be pruned, because something valid chained to it. */
  readonly pruneRefusals: number;
  /** Leaves of a sibling CA that a client refused. */
  readonly siblingsRefused: number;
}

interface Leaf {
  readonly chain: readonly Certificate[];
  readonly notAfter: number;
}

/** Lives through it. Throws at the first leaf that a client refuses, and at the first issuance that fails. */
export async function simulateYear(options: YearOptions): Promise<YearReport> {
  const folder = await mkdtemp(join(tmpdir(), "mesh-ca-year-"));
  const ca = new EnterpriseCa(folder);
  const upstream = await ca.upstream(options.upstream);
  const world = await createWorld({ upstream, uninitialised: true });
  ca.clock = world.clock;
  try {
    return await new Year(world, ca, options).live();
  } finally {
    await world.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The people and the files of the enterprise. */
class EnterpriseCa {
  readonly #folder: string;
  /** The world's, as soon as there is one. */
  clock = new FakeClock();
  current = new Enterprise({ now: this.clock.now() });
  #sibling: { readonly of: Enterprise; readonly certificate: TestCertificate } | undefined;

  constructor(folder: string) {
    this.#folder = folder;
  }

  async upstream(kind: YearUpstream): Promise<Upstream> {
    if (kind === "self-signed") return selfSignedUpstream;
    if (kind === "offline") return offlineUpstream();
    await this.#write();
    const [certificateFile, keyFile] = this.#files;
    const clock = { now: () => this.clock.now() };
    return await DiskUpstream.open({ certificateFile, keyFile, clock, logger: silentLogger });
  }

  /** Another CA under the present issuing CA: that of another mesh, say. */
  get sibling(): TestCertificate {
    const { current } = this;
    if (this.#sibling?.of !== current) {
      const { notBefore, notAfter } = current.issuing.certificate;
      const certificate = createIntermediate(current.issuing, { pathLength: 0, notBefore, notAfter });
      this.#sibling = { of: current, certificate };
    }
    return this.#sibling.certificate;
  }

  async changeRoot(now: number): Promise<void> {
    this.current = new Enterprise({ now, name: "New Corp" });
    await this.#write();
  }

  get #files(): readonly [string, string] {
    return [join(this.#folder, "ca.pem"), join(this.#folder, "ca.key")];
  }

  async #write(): Promise<void> {
    const [certificateFile, keyFile] = this.#files;
    const { issuing, root } = this.current;
    await writeFile(keyFile, issuing.keyPem, { mode: 0o600 });
    await writeFile(certificateFile, chainPem(issuing, root));
  }
}

class Year {
  readonly #world: World;
  readonly #ca: EnterpriseCa;
  readonly #options: YearOptions;
  readonly #rotator: Rotator;
  readonly #csr = makeCsr().der;
  #clients: YearClients | undefined;
  #leaves: Leaf[] = [];
  readonly #verifiers = new WeakMap<TrustSet, X509SvidVerifier>();
  readonly #signers = new Set<string>();
  readonly #roots = new Set<string>();
  readonly #sequences: bigint[] = [];
  #count = 0;
  #verifications = 0;
  #pruneRefusals = 0;
  #siblingsRefused = 0;

  constructor(world: World, ca: EnterpriseCa, options: YearOptions) {
    this.#world = world;
    this.#ca = ca;
    this.#options = options;
    const { authorities, clock, settings } = world;
    this.#rotator = new Rotator({ authorities, clock, settings, logger: silentLogger });
  }

  async live(): Promise<YearReport> {
    const { authorities, clock, settings, keyStore } = this.#world;
    await this.#begin();
    const propagationMs = propagationSeconds(settings) * 1000;
    // On the stream at once, by the refresh hint, and a second before an authority may sign that it does not know.
    const delays = [0, 1000, settings.refreshHintSeconds * 1000, propagationMs - 1000];
    this.#clients = new YearClients(authorities, [
      ...delays.map((delayMs) => ({ kind: "stream", delayMs }) as const),
      { kind: "comes-back", everyMs: settings.refreshHintSeconds * 1000 },
      { kind: "comes-back", everyMs: propagationMs - 1000 },
    ]);
    this.#learn();
    authorities.onTrustChange(() => this.#learn());
    const begin = clock.now();
    const end = begin + (this.#options.days ?? 365) * DAY;
    let plans = [...this.#plans(begin, end)];
    const stepMs = (this.#options.stepHours ?? 12) * HOUR;
    let looks: number[] = [];
    while (clock.now() < end) {
      const now = clock.now();
      const revision = authorities.revision;
      await this.#people();
      for (const plan of plans.filter(({ at }) => at <= now)) {
        if (await plan.act()) plans = plans.filter((each) => each !== plan);
      }
      await this.#issue();
      await this.#rotator.tick();
      await this.#issue();
      // Around each change the clock moves in small steps, so that leaves are issued on both sides of everything that follows.
      if (authorities.revision !== revision) {
        const near = [301_000, propagationMs - 500, propagationMs];
        looks.push(...near.map((after) => now + after));
      }
      looks = looks.filter((at) => at > now);
      this.#moveTo(Math.min(now + stepMs, ...looks));
    }
    assert.deepEqual(plans, [], "everything that was to happen has happened");
    return {
      leaves: this.#count,
      verifications: this.#verifications,
      signers: this.#signers.size,
      roots: this.#roots.size,
      keys: (await keyStore.list()).map(({ spkiSha256 }) => spkiSha256).sort(),
      living: authorities
        .records()
        .filter(({ state }) => state !== "removed" && state !== "revoked")
        .map(({ spkiSha256 }) => spkiSha256)
        .sort(),
      states: authorities.records().map(({ state }) => state),
      sequences: this.#sequences,
      pruneRefusals: this.#pruneRefusals,
      siblingsRefused: this.#siblingsRefused,
    };
  }

  /** The first authority; where people sign, after their first ceremony. */
  async #begin(): Promise<void> {
    const { authorities, dependencies } = this.#world;
    await AuthorityManager.initialise(dependencies);
    await authorities.refresh();
    await this.#people(0);
    assert.equal(authorities.health().kind, "ready");
  }

  /** What operators do in this year. */
  *#plans(begin: number, end: number): Iterable<{ readonly at: number; act(): Promise<boolean> }> {
    const { authorities, clock } = this.#world;
    const length = end - begin;
    const successor = () => authorities.published().findLast(({ state }) => state === "prepared");
    // A rotation that nobody had to wait for.
    yield {
      at: begin + length * 0.3,
      act: async () => {
        // The successor is one that nobody knows yet: where the upstream answers it is made now, else it has just been brought in.
        if (authorities.answersAtOnce && successor() !== undefined) return false;
        if (!authorities.answersAtOnce && successor() === undefined) {
          await authorities.request("forced rotation");
          return false;
        }
        await authorities.rotate("forced rotation");
        return true;
      },
    };
    yield {
      at: begin + length * 0.5,
      act: async () => {
        await this.#ca.changeRoot(clock.now());
        return true;
      },
    };
    // The old root is to leave the bundle as soon as it can, and not before: somebody tries again and again.
    let old: string | undefined;
    yield {
      at: begin + length * 0.5,
      act: async () => {
        old ??= authorities.published().find(({ state }) => state === "active")?.anchor.sha256 ?? "";
        try {
          await authorities.pruneRoot(old, "the enterprise has a new root");
          return true;
        } catch (error) {
          if (!(error instanceof AuthorityError) || error.code !== "MCA_ANCHOR_IN_USE") throw error;
          this.#pruneRefusals += 1;
          return false;
        }
      },
    };
    // A suspicion: everything under the active authority is renewed, and its leaves stay good until then.
    yield {
      at: begin + length * 0.75,
      act: async () => {
        const next = successor();
        const known =
          (authorities.records().find((each) => each.spkiSha256 === next?.spkiSha256)?.preparedAt ?? 0) + 2 * HOUR;
        if (next === undefined || clock.now() < known) return false;
        await authorities.taint(authorities.active().spkiSha256, { cause: "suspicion" });
        return true;
      },
    };
  }

  async #people(ceremonyMs = CEREMONY_MS): Promise<void> {
    const { authorities, clock } = this.#world;
    for (const { csr, createdAt } of authorities.pendingRequests()) {
      if (clock.now() < createdAt + ceremonyMs) continue;
      const files = this.#ca.current.answer(csr, clock.now(), OFFLINE_DAYS);
      const report = await authorities.import(files, { cause: "ceremony", dryRun: false });
      if (report.kind === "refused") assert.fail(JSON.stringify(report.findings));
    }
  }

  /** A long leaf and a short one, verified by everybody at once. */
  async #issue(): Promise<void> {
    const { issuer, authorities, clock } = this.#world;
    for (const ttlSeconds of [86_400, 3600]) {
      const lineage = { kind: "open", id: randomUUID() } as const;
      const request = makeRequest({ csrDer: this.#csr, grant: makeGrant({ ttlSeconds }), lineage });
      const { chain, notAfter } = await issuer.issueX509Svid(request);
      const leaf = { chain: chain.map((der) => parseCertificate(der)), notAfter };
      this.#signers.add(authorities.active().spkiSha256);
      this.#count += 1;
      this.#verify([leaf], clock.now());
      this.#leaves.push(leaf);
      await this.#options.onLeaf?.({ chain, time: clock.now(), notAfter });
    }
  }

  /** The server has published something: the clients are going to learn of it. */
  #learn(): void {
    const { authorities, clock } = this.#world;
    const trust = authorities.trustSet();
    const last = this.#sequences.at(-1);
    assert.ok(last === undefined || trust.sequence >= last, "the sequence only grows");
    if (trust.sequence !== last) this.#sequences.push(trust.sequence);
    for (const { sha256 } of trust.anchors) this.#roots.add(sha256);
    this.#options.onBundle?.({ anchors: trust.anchors.map(({ der }) => der), time: clock.now() });
    this.#clients?.learn(clock.now());
    this.#follow(clock.now());
  }

  /** Moves the clock; whatever happens to clients and leaves until then is looked at when it happens. */
  #moveTo(time: number): void {
    const { clock } = this.#world;
    this.#follow(time);
    clock.advance((time - clock.now()) / 1000);
  }

  /** Lets clients learn and leaves expire, in order, until `until`. */
  #follow(until: number): void {
    for (;;) {
      const news = this.#clients?.nextNewsAt ?? Number.POSITIVE_INFINITY;
      const at = Math.min(news, ...this.#leaves.map(({ notAfter }) => notAfter));
      if (at > until) return;
      // Before anything changes at this moment: the end of the stretch.
      this.#verify(this.#leaves, at);
      this.#leaves = this.#leaves.filter(({ notAfter }) => notAfter > at);
      if (this.#clients?.hear(at) !== true) continue;
      this.#verify(this.#leaves, at);
      this.#refuseSibling(at);
    }
  }

  #verify(leaves: readonly Leaf[], time: number): void {
    for (const verifier of this.#eachVerifier()) {
      for (const { chain } of leaves) {
        const { id } = verifier.verify(chain, time);
        assert.ok(id.trustDomain.equals(TRUST_DOMAIN));
        this.#verifications += 1;
      }
    }
  }

  /** Everything about it is right but for its CA, which is none of ours. */
  #refuseSibling(time: number): void {
    if (this.#options.upstream === "self-signed") return;
    const { sibling } = this.#ca;
    const leaf = createLeaf(sibling, { spiffeId: `${TRUST_DOMAIN.id}/cart`, notBefore: time, notAfter: time + HOUR });
    const chain = [leaf, sibling, this.#ca.current.issuing].map(({ certificate }) => certificate);
    for (const verifier of this.#eachVerifier()) {
      assert.throws(() => verifier.verify(chain, time), SpiffeError);
      this.#siblingsRefused += 1;
    }
  }

  *#eachVerifier(): Iterable<X509SvidVerifier> {
    for (const trust of this.#clients?.trusts() ?? []) {
      let verifier = this.#verifiers.get(trust);
      if (verifier === undefined) {
        verifier = new X509SvidVerifier(trust);
        this.#verifiers.set(trust, verifier);
      }
      yield verifier;
    }
  }
}
