// Invariant 1: recorded before signed. The types allow no other order (the lines with @ts-expect-error are checked by
// `tsc`: one that compiles is an error), and at run time the same doors are shut.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ActiveAuthority } from "../../../src/ca/authority/active-authority.ts";
import { AuthorityError } from "../../../src/ca/authority/index.ts";
import { IssuanceError } from "../../../src/ca/issuance/index.ts";
import { lint } from "../../../src/ca/issuance/lint/index.ts";
import { SignedSvid, signCommitted } from "../../../src/ca/issuance/sign.ts";
import { type CommittedIntent, Intent, type Ledger } from "../../../src/ca/ledger/index.ts";
import { makeLeaf } from "./materials.ts";
import { createWorld, makeRequest, type World } from "./world.ts";

let world: World;
before(async () => {
  world = await createWorld();
});
after(() => world.close());

function draw() {
  const authority = world.authorities.active();
  const { tbs, intent: wanted } = makeLeaf(
    { certificate: authority.certificate, signer: Object.assign(Object.create(null), { algorithm: "ecdsa-sha256" }) },
    { dnsNames: [] },
  );
  const linted = lint(tbs, wanted);
  const intent = new Intent({
    kind: "svid.x509",
    serial: wanted.serial,
    spiffeId: wanted.spiffeId,
    tbs: linted.bytes,
    spkiSha256: "ab".repeat(32),
    authority: authority.spkiSha256,
    notBefore: wanted.notBefore,
    notAfter: wanted.notAfter,
    issuedAt: world.clock.now(),
    requester: "test",
    requesterAddress: "",
    requestId: "",
    attestor: undefined,
    attributes: new Map(),
    lineage: { kind: "none" },
  });
  return { authority, linted, intent };
}

async function commit(intent: Intent): Promise<CommittedIntent> {
  const result = await world.ledger.commit(intent);
  assert.equal(result.kind, "committed");
  if (result.kind !== "committed") throw new TypeError("unreachable");
  return result.intent;
}

test("an authority signs nothing but committed intents: neither bytes nor an intent", async () => {
  const { authority, linted, intent } = draw();
  const now = world.clock.now();
  // @ts-expect-error bytes are no committed intent
  await assert.rejects(async () => authority.sign(linted.bytes, now), TypeError);
  // @ts-expect-error an intent is no committed intent
  await assert.rejects(async () => authority.sign(intent, now), TypeError);
  // @ts-expect-error an intent is no committed intent
  await assert.rejects(async () => signCommitted(intent, linted, authority, now));
  // @ts-expect-error the key of an authority cannot be reached
  assert.equal(authority.signer, undefined);
});

test("a look-alike of a committed intent is refused by the compiler, and a SignedSvid cannot be made by hand", () => {
  const { intent } = draw();
  // @ts-expect-error look-alikes lack the private brand
  const forged: CommittedIntent = { intent, logIndex: 1n, take() {} };
  assert.ok(forged);
  // @ts-expect-error the key is sign.ts's own
  assert.throws(() => new SignedSvid(Symbol("forged"), new Uint8Array(), new Uint8Array(), 1n), TypeError);
});

test("a committed intent is signed once", async () => {
  const { authority, linted, intent } = draw();
  const committed = await commit(intent);
  await signCommitted(committed, linted, authority, world.clock.now());
  await assert.rejects(signCommitted(committed, linted, authority, world.clock.now()), TypeError);
});

test("bytes that change between lint, record and signature are noticed, and nothing is handed out", async () => {
  const differs = (error: unknown): boolean =>
    error instanceof IssuanceError && error.code === "MCA_SIGNED_BYTES_DIFFER";
  const first = draw();
  const committed = await commit(first.intent);
  const { tbs } = first.intent.fields;
  tbs[100] = (tbs[100] ?? 0) ^ 1;
  await assert.rejects(signCommitted(committed, first.linted, first.authority, world.clock.now()), differs);
  // Nothing was signed: the intent is still there to be taken.
  committed.take();

  // While the signature is made.
  const second = draw();
  const other = await commit(second.intent);
  const authority = Object.create(second.authority, {
    algorithm: { value: "ecdsa-sha256" },
    sign: {
      value: async (given: CommittedIntent) => {
        const bytes = given.intent.fields.tbs;
        bytes[100] = (bytes[100] ?? 0) ^ 1;
        return Uint8Array.of(0x30, 0x00);
      },
    },
  }) as ActiveAuthority;
  await assert.rejects(signCommitted(other, second.linted, authority, world.clock.now()), differs);
});

test("an intent for one authority is never signed by another", async () => {
  const { linted, intent, authority } = draw();
  const other = "cd".repeat(32);
  await world.owner.query(
    {
      name: "",
      text: "INSERT INTO authority (spki_sha256, replica, state, upstream, created_at) VALUES ($1, 2, 'active', 'test', now())",
    },
    [Buffer.from(other, "hex")],
  );
  const committed = await commit(new Intent({ ...intent.fields, authority: other }));
  await assert.rejects(signCommitted(committed, linted, authority, world.clock.now()), TypeError);
});

test("the authority is looked at again at the moment of signing", async () => {
  const { linted, intent, authority } = draw();
  const committed = await commit(intent);
  const { spkiSha256 } = await world.authorities.prepare("test");
  await world.authorities.activate(spkiSha256, { cause: "test", emergency: true });
  await assert.rejects(
    signCommitted(committed, linted, authority, world.clock.now()),
    (error) => error instanceof AuthorityError && error.code === "MCA_AUTHORITY_NOT_ACTIVE",
  );
  const later = draw();
  const another = await commit(later.intent);
  await assert.rejects(
    signCommitted(another, later.linted, later.authority, later.authority.endsAt + 1),
    (error) => error instanceof AuthorityError && error.code === "MCA_AUTHORITY_EXPIRED",
  );
});

test("when the ledger cannot commit, nothing is signed", async () => {
  let signatures = 0;
  const { sign } = ActiveAuthority.prototype;
  ActiveAuthority.prototype.sign = function (...given) {
    signatures += 1;
    return sign.apply(this, given);
  };
  const ledger: Ledger = world.ledger;
  const { commit: original } = ledger;
  ledger.commit = async () => {
    throw new Error("the disk is full");
  };
  try {
    await assert.rejects(world.issuer.issueX509Svid(makeRequest()), /disk is full/);
    assert.equal(signatures, 0);
    ledger.commit = original;
    await world.issuer.issueX509Svid(makeRequest());
    assert.equal(signatures, 1);
  } finally {
    ledger.commit = original;
    ActiveAuthority.prototype.sign = sign;
  }
});

test("at the moment of each signature its entry is in the database, seen by another connection", async () => {
  const { sign } = ActiveAuthority.prototype;
  const seen: boolean[] = [];
  ActiveAuthority.prototype.sign = async function (committed, now) {
    const rows = await world.owner.query(
      { name: "", text: "SELECT 1 FROM issuance WHERE log_index = $1 AND serial = $2" },
      [committed.logIndex, committed.intent.fields.serial],
    );
    seen.push(rows.length === 1);
    return sign.call(this, committed, now);
  };
  try {
    await Promise.all(Array.from({ length: 50 }, () => world.issuer.issueX509Svid(makeRequest())));
  } finally {
    ActiveAuthority.prototype.sign = sign;
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 50 }, () => true),
  );
});
