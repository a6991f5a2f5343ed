// The watch over the own chain's revocation: what stops issuance, what never does, when is asked, what is told. The web is in memory
// here; test/security/upstream-revocation.test.ts has the real one.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { createRoot, freshKey } from "../../support/pki.ts";
import { createCrl, createOcspResponse, crlDistributionPointsExtension, crlScope } from "../../support/revocation.ts";
import { until } from "../../support/until.ts";
import {
  answer,
  INTERVAL_SECONDS,
  ISSUING_CRL,
  RESPONDER,
  ROOT_CRL,
  TestChain,
  TestWatch,
  unreachable,
} from "./support.ts";

const HOUR_MS = 3_600_000;
const chain = new TestChain();
const { root, issuing, authority } = chain;
const { serial } = authority.certificate;

/** A world in which everything is good, with some of it changed. */
function world(changes: Parameters<TestWatch["serve"]>[1] | undefined = undefined, url = ISSUING_CRL): TestWatch {
  const on = new TestWatch([chain]);
  on.serve(ROOT_CRL, answer(createCrl(root)));
  on.serve(ISSUING_CRL, answer(createCrl(issuing)));
  on.serve(RESPONDER, ({ body }) => answer(createOcspResponse(issuing, { certificate: authority, ...nonceOf(body) })));
  if (changes !== undefined) on.serve(url, changes);
  return on;
}

/** The nonce is the last thing in a request. */
function nonceOf(body: Uint8Array | undefined): { nonce?: Uint8Array } {
  return body === undefined ? {} : { nonce: body.slice(-32) };
}

const revokedCrl = (reason: "keyCompromise" | "certificateHold" = "keyCompromise", more = {}): Uint8Array =>
  createCrl(issuing, { revoked: [{ serial, reason, revokedAt: Date.UTC(2026, 0, 2) }], ...more });

describe("issuance is stopped", () => {
  it("by a CRL that lists the authority: told once, with the facts, and again after a restart", async () => {
    const on = world(answer(revokedCrl()));
    await on.watch.tick();
    assert.deepEqual(on.told, [
      {
        spkiSha256: chain.watched.spkiSha256,
        certificate: authority.certificate,
        source: `CRL ${ISSUING_CRL}`,
        revokedAt: Date.UTC(2026, 0, 2),
        reason: "keyCompromise",
      },
    ]);
    assert.equal(on.states[ISSUING_CRL], "revoked");
    for (let i = 0; i < 5; i++) await on.after(INTERVAL_SECONDS);
    assert.equal(on.told.length, 1);
    on.restart();
    await on.watch.tick();
    assert.equal(on.told.length, 2);
  });

  it("by an OCSP response, also where the CRL does not know of it yet", async () => {
    const on = world(
      ({ body }) =>
        answer(createOcspResponse(issuing, { certificate: authority, status: { kind: "revoked" }, ...nonceOf(body) })),
      RESPONDER,
    );
    await on.watch.tick();
    assert.deepEqual(on.states, { [ROOT_CRL]: "good", [ISSUING_CRL]: "good", [RESPONDER]: "revoked" });
    assert.deepEqual(
      on.told.map(({ source, reason }) => [source, reason]),
      [[`OCSP ${RESPONDER}`, "unspecified"]],
    );
  });

  it("by the revocation of a CA above the authority, for every authority below it, with one question", async () => {
    const other = new TestChain({ beside: chain });
    const on = world(answer(createCrl(root, { revoked: [{ serial: issuing.certificate.serial }] })), ROOT_CRL);
    on.chains = [chain, other];
    await on.watch.tick();
    assert.deepEqual(
      on.told.map(({ spkiSha256, certificate }) => [spkiSha256, certificate.sha256]),
      [chain, other].map(({ watched }) => [watched.spkiSha256, issuing.certificate.sha256]),
    );
    assert.equal(on.askedOf(ROOT_CRL), 1);
    assert.equal(on.askedOf(ISSUING_CRL), 1);
    assert.equal(on.askedOf(RESPONDER), 2);
  });

  it("by certificateHold; a hold that was lifted and comes back is told again", async () => {
    let number = 1;
    let held = true;
    const on = world(() =>
      answer(held ? revokedCrl("certificateHold", { number: number++ }) : createCrl(issuing, { number: number++ })),
    );
    await on.watch.tick();
    assert.equal(on.told[0]?.reason, "certificateHold");
    held = false;
    await on.after(INTERVAL_SECONDS);
    assert.equal(on.states[ISSUING_CRL], "good");
    held = true;
    await on.after(INTERVAL_SECONDS);
    assert.equal(on.told.length, 2);
  });

  it("by a hold that becomes a revocation, once more", async () => {
    const on = world(answer(revokedCrl("certificateHold")));
    await on.watch.tick();
    on.serve(ISSUING_CRL, answer(revokedCrl("keyCompromise", { number: 2 })));
    await on.after(INTERVAL_SECONDS);
    assert.deepEqual(
      on.told.map(({ reason }) => reason),
      ["certificateHold", "keyCompromise"],
    );
  });

  it("by a revocation in a CRL past its nextUpdate, because it is final; a hold in one does not", async () => {
    const old = { thisUpdate: Date.now() - 48 * HOUR_MS, nextUpdate: Date.now() - 24 * HOUR_MS };
    const on = world(answer(revokedCrl("keyCompromise", old)));
    await on.watch.tick();
    assert.equal(on.told.length, 1);
    const held = world(answer(revokedCrl("certificateHold", old)));
    await held.watch.tick();
    assert.equal(held.told.length, 0);
    assert.equal(held.states[ISSUING_CRL], "stale");
    assert.match(held.sentenceOf(ISSUING_CRL), /on hold/);
  });

  it("by a CRL for some reasons that lists the authority: it can revoke, although it cannot acquit", async () => {
    const scope = crlScope({ someReasons: true });
    const on = world(answer(revokedCrl("keyCompromise", { scope })));
    await on.watch.tick();
    assert.equal(on.told.length, 1);
    assert.equal(on.states[ISSUING_CRL], "revoked");
    const point = crlDistributionPointsExtension({ uris: [ISSUING_CRL], someReasons: true });
    const partial = new TestChain({ beside: chain, extensions: [point] });
    for (const [revoked, state] of [
      [[{ serial: partial.authority.certificate.serial }], "revoked"],
      [[], "unusable"],
    ] as const) {
      const other = world(answer(createCrl(issuing, { revoked })));
      other.chains = [partial];
      await other.watch.tick();
      assert.equal(other.states[ISSUING_CRL], state);
    }
    on.serve(ISSUING_CRL, answer(createCrl(issuing, { scope })));
    on.restart();
    await on.watch.tick();
    assert.equal(on.states[ISSUING_CRL], "unusable", "that it lists nothing says nothing");
  });

  it("at the next look, where acting on it failed", async () => {
    let failures = 3;
    const on = new TestWatch([chain], {
      onRevoked: async () => {
        if (failures-- > 0) throw new Error("no database");
        acted++;
      },
    });
    let acted = 0;
    on.serve(ISSUING_CRL, answer(revokedCrl()));
    await on.watch.tick();
    await on.after(5);
    assert.equal(acted, 0);
    await on.after(5);
    await on.after(5);
    assert.equal(acted, 1);
    assert.equal(on.log.filter(({ event }) => event === "upstream_watch.report_failed").length, 1);
    assert.equal(on.askedOf(ISSUING_CRL), 1, "it was not asked again for that");
  });

  it("while another address hangs", async () => {
    const on = world(
      ({ signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve(unreachable))),
      ROOT_CRL,
    );
    on.serve(ISSUING_CRL, answer(revokedCrl()));
    const tick = on.watch.tick();
    await until(() => on.told.length === 1, "it is told");
    await on.watch.close();
    await tick;
  });
});

describe("issuance goes on", () => {
  const never: readonly (readonly [string, string, RegExp, () => TestWatch])[] = [
    ["where an address cannot be reached", "unreachable", /ECONNREFUSED/, () => world(unreachable)],
    ["where it answers with something else", "unusable", /cannot be read/, () => world(answer(Buffer.from("<html>")))],
    [
      "where another key signed the revocation",
      "unusable",
      /signature does not hold/,
      () => world(answer(revokedCrl("keyCompromise", { signWith: freshKey() }))),
    ],
    [
      "where another CA of the same root signed it",
      "unusable",
      /issuer of the certificate/,
      () => world(answer(createCrl(root, { revoked: [{ serial }] }))),
    ],
    [
      "where an indirect CRL says it",
      "unusable",
      /indirect/,
      () => {
        const on = world();
        on.chains = [
          new TestChain({
            beside: chain,
            extensions: [crlDistributionPointsExtension({ uris: [ISSUING_CRL], indirect: true })],
          }),
        ];
        return on;
      },
    ],
    [
      "where a CRL is past its nextUpdate",
      "stale",
      /was to be replaced/,
      () =>
        world(answer(createCrl(issuing, { thisUpdate: Date.now() - 2 * HOUR_MS, nextUpdate: Date.now() - HOUR_MS }))),
    ],
    [
      "where a CRL is dated in the future",
      "stale",
      /Compare the clocks/,
      () =>
        world(answer(createCrl(issuing, { thisUpdate: Date.now() + HOUR_MS, nextUpdate: Date.now() + 2 * HOUR_MS }))),
    ],
  ];
  for (const [name, state, sentence, make] of never) {
    it(name, async () => {
      const on = make();
      await on.watch.tick();
      assert.equal(on.told.length, 0);
      assert.equal(on.states[ISSUING_CRL], state);
      assert.match(on.sentenceOf(ISSUING_CRL), sentence);
      assert.deepEqual(
        on.watch.problems().map(({ url }) => url),
        [ISSUING_CRL],
      );
    });
  }

  it("where an OCSP response is of another question, another certificate, unknown, or old", async () => {
    const answers = [
      () =>
        createOcspResponse(issuing, { certificate: authority, status: { kind: "revoked" }, nonce: new Uint8Array(32) }),
      () =>
        createOcspResponse(issuing, { certificate: authority, status: { kind: "revoked" }, serial: Uint8Array.of(7) }),
      () => createOcspResponse(issuing, { certificate: authority, status: { kind: "unknown" } }),
      () => createOcspResponse(issuing, { certificate: authority, failure: 2 }),
    ];
    for (const make of answers) {
      const on = world(answer(make()), RESPONDER);
      await on.watch.tick();
      assert.equal(on.told.length, 0);
      assert.equal(on.states[RESPONDER], "unusable");
    }
    const old = { thisUpdate: Date.now() - 30 * HOUR_MS, nextUpdate: null };
    const on = world(answer(createOcspResponse(issuing, { certificate: authority, ...old })), RESPONDER);
    await on.watch.tick();
    assert.equal(on.states[RESPONDER], "stale");
  });

  it("where an OCSP responder without nextUpdate repeats the nonce, whatever thisUpdate says", async () => {
    const old = { thisUpdate: Date.now() - 30 * HOUR_MS, nextUpdate: null };
    const on = world(
      ({ body }) => answer(createOcspResponse(issuing, { certificate: authority, ...old, ...nonceOf(body) })),
      RESPONDER,
    );
    await on.watch.tick();
    assert.equal(on.states[RESPONDER], "good");
  });
});

describe("whoever controls the network", () => {
  it("cannot undo a revocation by spoiling answers, only the CA's newer word can", async () => {
    const on = world(answer(revokedCrl("certificateHold", { number: 5 })));
    await on.watch.tick();
    const spoilt = [unreachable, answer(Buffer.from("x")), answer(createCrl(issuing, { number: 4 }))];
    for (const one of spoilt) {
      on.serve(ISSUING_CRL, one);
      await on.after(2 * INTERVAL_SECONDS);
      assert.equal(on.states[ISSUING_CRL], "revoked");
    }
    on.serve(ISSUING_CRL, answer(createCrl(issuing, { number: 6 })));
    await on.after(8 * INTERVAL_SECONDS);
    assert.equal(on.states[ISSUING_CRL], "good");
    assert.equal(on.told.length, 1);
  });

  it("is noticed when an older CRL is repeated: by its number, by its date; the newer one stays", async () => {
    const now = Date.now();
    for (const older of [{ number: 6 }, { number: 7, thisUpdate: now - 2 * HOUR_MS }]) {
      const on = world(answer(createCrl(issuing, { number: 7, thisUpdate: now - HOUR_MS })));
      await on.watch.tick();
      on.serve(ISSUING_CRL, answer(createCrl(issuing, { thisUpdate: now - HOUR_MS, ...older })));
      await on.after(INTERVAL_SECONDS);
      assert.equal(on.states[ISSUING_CRL], "stale");
      assert.match(on.sentenceOf(ISSUING_CRL), /older than one that was already seen/);
      for (let i = 0; i < 3; i++) await on.after(INTERVAL_SECONDS);
      assert.equal(on.alarms().length, 1, "told once");
    }
  });

  it("cannot make the complete CRL look old by a newer one of the same CA that answers for nothing here", async () => {
    const now = Date.now();
    for (const foreign of [{ deltaBase: 1 }, { scope: crlScope({ flags: [1] }) }]) {
      const on = world(answer(createCrl(issuing, { number: 900, thisUpdate: now - HOUR_MS / 2, ...foreign })));
      await on.watch.tick();
      assert.equal(on.states[ISSUING_CRL], "unusable");
      on.serve(ISSUING_CRL, answer(createCrl(issuing, { number: 7, thisUpdate: now - HOUR_MS })));
      await on.after(2 * INTERVAL_SECONDS);
      assert.equal(on.states[ISSUING_CRL], "good");
    }
  });

  it("does not bind a CA that counts anew: once the newest CRL has expired, a lower number is taken", async () => {
    const now = Date.now();
    const on = world(answer(createCrl(issuing, { number: 900, thisUpdate: now - HOUR_MS, nextUpdate: now + HOUR_MS })));
    await on.watch.tick();
    on.serve(
      ISSUING_CRL,
      answer(createCrl(issuing, { number: 1, thisUpdate: now + HOUR_MS, nextUpdate: now + 100 * HOUR_MS })),
    );
    await on.after(3600 + 60);
    assert.equal(on.states[ISSUING_CRL], "stale");
    await on.after(600);
    assert.equal(on.states[ISSUING_CRL], "good");
  });

  it("is not believed to have changed anything where caches of a responder differ in age", async () => {
    const on = world(
      answer(createOcspResponse(issuing, { certificate: authority, thisUpdate: Date.now() - HOUR_MS })),
      RESPONDER,
    );
    await on.watch.tick();
    on.serve(
      RESPONDER,
      answer(createOcspResponse(issuing, { certificate: authority, thisUpdate: Date.now() - 2 * HOUR_MS })),
    );
    await on.after(INTERVAL_SECONDS);
    assert.equal(on.states[RESPONDER], "good");
    assert.deepEqual(on.alarms(), []);
  });

  it("cannot keep a good answer good for ever by saying that nothing has changed", async () => {
    const crl = createCrl(issuing, { nextUpdate: Date.now() + HOUR_MS });
    const on = world(({ validator }) => (validator === undefined ? answer(crl, "etag:1") : { kind: "unchanged" }));
    await on.watch.tick();
    await on.after(INTERVAL_SECONDS);
    assert.equal(on.asked.at(-1)?.request.validator, undefined, "OCSP has none");
    assert.ok(on.asked.some(({ request }) => request.validator === "etag:1"));
    assert.equal(on.states[ISSUING_CRL], "good");
    // Two seconds more than the allowance for clocks: the CRL's end is in whole seconds.
    await on.after(3602);
    assert.equal(on.states[ISSUING_CRL], "stale");
  });
});

describe("addresses are asked", () => {
  it("once in an interval at most, and at least; less often while they fail, and again at once after a success", async () => {
    const on = world(unreachable);
    await on.watch.tick();
    const asked: number[] = [];
    for (let second = 5; second <= 7200; second += 5) {
      const before = on.askedOf(ISSUING_CRL);
      await on.after(5);
      if (on.askedOf(ISSUING_CRL) > before) asked.push(second);
    }
    const gaps = asked.map((second, i) => second - (asked[i - 1] ?? 0));
    assert.ok((gaps[0] ?? 0) >= 480 && (gaps[0] ?? 0) <= 600, `${gaps}`);
    for (const gap of gaps.slice(1)) assert.ok(gap >= 715 && gap <= 900, `${gaps}`);
    const good = 7200 / on.askedOf(ROOT_CRL);
    assert.ok(good >= 235 && good <= 290, `${good}`);
    on.serve(ISSUING_CRL, answer(createCrl(issuing)));
    await on.after(900);
    const now = on.askedOf(ISSUING_CRL);
    await on.after(300);
    assert.equal(on.askedOf(ISSUING_CRL), now + 1);
  });

  it("soon after nextUpdate, where that comes before the interval is over", async () => {
    const on = world(() => answer(createCrl(issuing, { nextUpdate: on.now + 60_000, thisUpdate: on.now })));
    await on.watch.tick();
    await on.after(95);
    assert.equal(on.askedOf(ISSUING_CRL), 2);
    assert.equal(on.askedOf(ROOT_CRL), 1);
  });

  it("at once for a chain that is new, in whole", async () => {
    const crl = createCrl(issuing);
    const on = world(({ validator }) => (validator === undefined ? answer(crl, "etag:1") : { kind: "unchanged" }));
    await on.watch.tick();
    on.chains = [chain, new TestChain({ beside: chain })];
    await on.after(1);
    assert.equal(on.askedOf(ISSUING_CRL), 2);
    assert.equal(on.askedOf(ROOT_CRL), 1);
    // The responder of this test knows the first authority only.
    assert.deepEqual(
      on.watch
        .status()
        .map(({ state }) => state)
        .toSorted(),
      ["good", "good", "good", "good", "unusable"],
    );
    on.chains = [];
    await on.after(1);
    assert.deepEqual(on.watch.status(), []);
  });

  it("also after the clock was set back by days", async () => {
    const on = world();
    await on.watch.tick();
    await on.after(-5 * 86_400);
    assert.equal(on.askedOf(ROOT_CRL), 2);
  });

  it("never for the root, nor for an authority that is its own anchor", async () => {
    const self = createRoot({ extraExtensions: [crlDistributionPointsExtension("http://self.test/crl")] });
    const on = new TestWatch([]);
    const watched = { spkiSha256: "00", certificate: self.certificate, intermediates: [], anchor: self.certificate };
    on.chains = [{ watched }];
    await on.watch.tick();
    assert.deepEqual([on.asked.length, on.watch.status().length], [0, 0]);
  });

  it("only by http and https, without credentials, eight of a kind; what is not asked is said", async () => {
    const urls = [
      "ldap://dc.test/CN=x",
      "file:///etc/passwd",
      "http://user:secret@pki.test/x",
      "gopher:x\u001b[2J",
      ...Array.from({ length: 6 }, (_, i) => `http://pki.test/${i}.crl`),
    ];
    const strange = new TestChain({ extensions: [crlDistributionPointsExtension({ uris: urls })] });
    const on = new TestWatch([strange]);
    await on.watch.tick();
    assert.deepEqual(on.asked.map(({ url }) => url).toSorted(), [
      "http://pki.test/0.crl",
      "http://pki.test/1.crl",
      "http://pki.test/2.crl",
      "http://pki.test/3.crl",
      ROOT_CRL,
    ]);
    const refused = on.watch.status().filter(({ state }) => state === "refused");
    assert.deepEqual(
      refused.map(({ sentence }) => sentence.slice(0, 20)),
      [
        "LDAP is not asked. P",
        "Only http and https ",
        "An address with a us",
        "Only http and https ",
        "2 more addresses are",
      ],
    );
    assert.ok(refused.every(({ url }) => !url.includes("\u001b")));
  });

  it("by http where LDAP is named beside it, as AD CS does, and that is no problem", async () => {
    const both = new TestChain({
      beside: chain,
      extensions: [crlDistributionPointsExtension({ uris: ["ldap:///CN=CA", ISSUING_CRL] })],
    });
    const on = world();
    on.chains = [both];
    await on.watch.tick();
    assert.deepEqual(on.watch.problems(), []);
    on.serve(ISSUING_CRL, unreachable);
    await on.after(INTERVAL_SECONDS);
    assert.equal(on.watch.problems().length, 2);
  });
});

describe("what is found is told", () => {
  it("in one line for each change, with an alarm for the bad ones, and as a count for each state", async () => {
    const on = world(unreachable);
    await on.watch.tick();
    for (let i = 0; i < 10; i++) await on.after(900);
    assert.equal(on.alarms().length, 1);
    assert.match(on.alarms()[0] ?? "", /CRL of the own chain: The address cannot be reached/);
    on.serve(ISSUING_CRL, answer(createCrl(issuing)));
    await on.after(900);
    assert.equal(on.alarms().length, 1);
    assert.equal(on.log.at(-1)?.["state"], "good");
    const counts = Object.fromEntries(
      (on.gauge?.() ?? []).map(({ value, attributes }) => [attributes?.["state"], value]),
    );
    assert.deepEqual(counts, { unchecked: 0, good: 3, revoked: 0, stale: 0, unreachable: 0, unusable: 0, refused: 0 });
  });

  it("and a bug in the fetching is logged, asked for again later, and keeps no other address from being asked", async () => {
    const on = world(() => Promise.reject(new TypeError("bug")));
    await on.watch.tick();
    await on.after(1);
    assert.equal(on.log.filter(({ event }) => event === "upstream_watch.ask_failed").length, 1);
    assert.deepEqual(on.states, { [ROOT_CRL]: "good", [ISSUING_CRL]: "unreachable", [RESPONDER]: "good" });
  });

  it("until it is closed, which ends what hangs", async () => {
    const on = world(
      ({ signal }) => new Promise((resolve) => signal.addEventListener("abort", () => resolve(unreachable))),
      RESPONDER,
    );
    on.watch.start();
    await new Promise((resolve) => setTimeout(resolve, 100));
    await on.watch.close();
    assert.equal(on.states[RESPONDER], "unchecked");
  });
});
