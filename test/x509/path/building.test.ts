// How a path is found: order, cross-certificates, hints, circles; what a hostile chain may cost; the cache.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type Certificate,
  createPathCache,
  derContext,
  derSequence,
  encodeExtension,
  encodeName,
  oid,
  type PathCache,
  type PathRequest,
  type PathRule,
  parseCertificate,
  validatePath,
} from "../../../src/x509/index.ts";
import { openSslVerdict } from "../../support/openssl-verdict.ts";
import {
  type CertificateOptions,
  createCertificate,
  createIntermediate,
  createLeaf,
  createRoot,
  freshKey,
  generalNameDer,
  nameConstraintsExtension,
  type TestCertificate,
  testKey,
} from "../../support/pki.ts";

const read = (list: readonly TestCertificate[]): Certificate[] => list.map((one) => one.certificate);
const broke = (rule: PathRule): object => ({ name: "PathError", rule });

function validate(
  chain: readonly TestCertificate[],
  anchors: readonly TestCertificate[],
  options: Partial<PathRequest> = {},
): readonly Certificate[] {
  return validatePath({
    chain: read(chain),
    anchors: read(anchors),
    time: Date.now(),
    target: "end-entity",
    ...options,
  }).path;
}

function shuffled<T>(list: readonly T[], seed: number): T[] {
  const out = [...list];
  for (let i = out.length - 1; i > 0; i--) {
    const j = (seed * (i + 7)) % (i + 1);
    const [a, b] = [out[i], out[j]];
    if (a !== undefined && b !== undefined) [out[i], out[j]] = [b, a];
  }
  return out;
}

describe("building", () => {
  it("finds the path whatever the order of the rest is, with repetitions and strangers among them", () => {
    const root = createRoot();
    const top = createIntermediate(root);
    const middle = createIntermediate(top);
    const authority = createIntermediate(middle);
    const leaf = createLeaf(authority);
    const rest = [authority, middle, top, middle, createIntermediate(root), createRoot()];
    for (let seed = 0; seed < 40; seed++) {
      const path = validate([leaf, ...shuffled(rest, seed)], [root]);
      assert.deepEqual(
        path.map((one) => one.sha256),
        read([leaf, authority, middle, top, root]).map((one) => one.sha256),
      );
    }
  });

  it("takes another way where the first one leads nowhere", () => {
    const good = createRoot();
    const untrusted = createRoot();
    const authority = createIntermediate(good);
    const options = { subject: authority.subject, key: authority.key };
    const expired = createIntermediate(good, { ...options, notBefore: 0, notAfter: 1000 });
    const short = createRoot({ pathLength: 0 });
    const tooDeep = createIntermediate(short, options);
    const astray = createIntermediate(untrusted, options);
    const leaf = createLeaf(authority);
    for (let seed = 0; seed < 10; seed++) {
      const path = validate([leaf, ...shuffled([expired, astray, tooDeep, authority], seed)], [short, good]);
      assert.equal(path.at(-1), good.certificate);
    }
    // A root with the same name and key under a constraint that the leaf breaks.
    const constrained = createRoot({
      subject: good.subject,
      key: good.key,
      nameConstraints: nameConstraintsExtension({ permitted: [generalNameDer.uri("other.test")] }),
    });
    assert.equal(validate([leaf, authority], [constrained, good]).at(-1), good.certificate);
    assert.throws(() => validate([leaf, authority], [constrained]), broke("name-constraints"));
  });

  it("takes key identifiers as hints: they make no issuer, and missing ones hide none", () => {
    const id = Uint8Array.of(1, 2, 3);
    const root = createRoot({ subjectKeyId: id });
    const leaf = createLeaf(root, { authorityKeyId: id });
    const impostor = createRoot({ subject: root.subject, subjectKeyId: id });
    assert.equal(validate([leaf], [impostor, root]).at(-1), root.certificate);
    assert.throws(() => validate([leaf], [impostor]), broke("signature"));
    const silent = createRoot({ subject: root.subject, key: root.key, subjectKeyId: null });
    assert.equal(validate([leaf], [silent]).at(-1), silent.certificate);
    assert.equal(validate([createLeaf(root, { authorityKeyId: null })], [root]).at(-1), root.certificate);
  });

  it("does not take an issuer that the certificate itself disowns, as OpenSSL does not", async () => {
    const root = createRoot();
    const aki = (...parts: readonly Uint8Array[]): CertificateOptions => ({
      authorityKeyId: null,
      extraExtensions: [encodeExtension(oid.authorityKeyId, false, derSequence(...parts))],
    });
    const issuer = (name: Uint8Array): Uint8Array => derContext(1, derContext(4, name, true), true);
    const serial = (octets: Uint8Array): Uint8Array => derContext(2, octets, false);
    const theirs = root.certificate.serial;
    const good = createLeaf(root, aki(issuer(root.subject), serial(theirs)));
    assert.equal(validate([good], [root]).length, 2);
    assert.equal(await openSslVerdict([good], [root]), "ok");
    for (const options of [
      { authorityKeyId: Uint8Array.of(1, 2, 3) },
      aki(issuer(root.subject), serial(Uint8Array.of(1))),
      aki(issuer(encodeName({ commonName: "Another" })), serial(theirs)),
    ]) {
      const bad = createLeaf(root, options);
      assert.throws(() => validate([bad], [root]), broke("key-identifier"));
      assert.notEqual(await openSslVerdict([bad], [root]), "ok");
    }
  });

  it("compares names as RFC 5280 does, not octet by octet", () => {
    const root = createRoot({ subject: encodeName({ commonName: "The  ROOT" }) });
    const leaf = createLeaf(root, { issuerName: encodeName({ commonName: "the root" }) });
    assert.equal(validate([leaf], [root]).length, 2);
    const other = createLeaf(root, { issuerName: encodeName({ commonName: "another root" }) });
    assert.throws(() => validate([other], [root]), broke("issuer-unknown"));
  });

  it("trusts an anchor that is not self-signed, and looks no further", () => {
    const authority = createIntermediate(createRoot());
    assert.deepEqual(validate([createLeaf(authority)], [authority]).slice(1), [authority.certificate]);
  });

  it("prefers the anchor itself to the same certificate in the chain", () => {
    const root = createRoot();
    const path = validate([createLeaf(root), root, root], [root]);
    assert.equal(path.length, 2);
  });

  it("has a bound on the presented chain and on the path, which a caller may raise", () => {
    const root = createRoot();
    const cas: TestCertificate[] = [];
    for (let i = 0; i < 9; i++) cas.unshift(createIntermediate(cas[0] ?? root));
    const chain = [createLeaf(cas[0] ?? root), ...cas];
    assert.throws(() => validate(chain, [root]), broke("chain-too-long"));
    assert.equal(validate(chain, [root], { maxCertificates: 11 }).length, 11);
    assert.throws(() => validate(chain, [root], { maxCertificates: 10 }), broke("chain-too-long"));
    assert.throws(() => validate(chain.slice(0, 3), [root], { maxCertificates: 2 }), broke("chain-too-long"));
    const padding = Array.from({ length: 6 }, () => createRoot());
    assert.equal(validate([createLeaf(root), root, ...padding], [root]).length, 2);
  });
});

describe("a hostile chain", () => {
  /** CPU milliseconds of one run. */
  function cpuMs(run: () => void): number {
    const start = process.cpuUsage();
    run();
    const { user, system } = process.cpuUsage(start);
    return (user + system) / 1000;
  }

  it("of CAs that all signed each other costs a bounded number of signature checks", () => {
    // One name and one key per level, several certificates of each: every combination is a path with good signatures.
    const keys = [0, 1, 2, 3].map((level) => testKey("ec-p256", `web ${level}`));
    const name = (level: number): Uint8Array => encodeName({ commonName: `Web ${level}` });
    const ca = (level: number, by: number): TestCertificate =>
      createCertificate(undefined, {
        subject: name(level),
        issuerName: name(by),
        key: keys[level] ?? freshKey(),
        signWith: keys[by] ?? freshKey(),
        ca: true,
        keyUsage: ["keyCertSign"],
        authorityKeyId: null,
      });
    const web: TestCertificate[] = [];
    for (let level = 0; level < 4; level++) {
      for (let by = 0; by < 4; by++) for (let copy = 0; copy < 3; copy++) web.push(ca(level, by));
    }
    const leaf = createCertificate(undefined, {
      issuerName: name(0),
      authorityKeyId: null,
      signWith: keys[0] ?? freshKey(),
      keyUsage: ["digitalSignature"],
    });
    const anchors = [createRoot()];
    assert.throws(() => validate([leaf, ...web], anchors, { maxCertificates: 64 }), broke("work-limit"));
    assert.throws(() => validate([leaf, ...web.slice(0, 7)], anchors));
    const cost = cpuMs(() => assert.throws(() => validate([leaf, ...web], anchors, { maxCertificates: 64 })));
    assert.ok(cost < 100, `${cost} ms`);
  });

  it("whose issuer name many anchors bear costs a bounded number of signature checks", () => {
    const anchors = Array.from({ length: 40 }, () => createRoot({ subject: "Popular", subjectKeyId: null }));
    const leaf = createLeaf(createRoot({ subject: "Popular" }), { authorityKeyId: null });
    assert.throws(() => validate([leaf], anchors), broke("work-limit"));
    assert.throws(() => validate([leaf], anchors.slice(0, 32)), broke("signature"));
  });

  it("whose issuer name hundreds of useless anchors bear costs a bounded number of steps", () => {
    const useless = createRoot({ subject: "Popular", notBefore: 0, notAfter: 1000 });
    const leaf = createLeaf(createRoot({ subject: "Popular" }));
    assert.throws(() => validate([leaf], new Array<TestCertificate>(513).fill(useless)), broke("work-limit"));
    assert.throws(() => validate([leaf], new Array<TestCertificate>(512).fill(useless)), broke("expired"));
  });

  it("with the right key identifier is found among them at once", () => {
    const anchors = Array.from({ length: 40 }, () => createRoot({ subject: "Popular" }));
    for (const anchor of anchors) assert.equal(validate([createLeaf(anchor)], anchors).at(-1), anchor.certificate);
    const silent = Array.from({ length: 40 }, () => createRoot({ subject: "Popular", subjectKeyId: null }));
    const [speaking] = anchors;
    assert.ok(speaking !== undefined);
    assert.equal(validate([createLeaf(speaking)], [...silent, speaking]).at(-1), speaking.certificate);
  });

  it("of thousands of names under thousands of constraints is refused before they are compared", () => {
    const bases = Array.from({ length: 1500 }, (_, i) => generalNameDer.dns(`c${i}.test`));
    const root = createRoot({ nameConstraints: nameConstraintsExtension({ excluded: bases }) });
    const names = Array.from({ length: 1500 }, (_, i) => ({ kind: "dns" as const, value: `n${i}.test` }));
    const leaf = createLeaf(root, { names });
    read([leaf, root]);
    const cost = cpuMs(() => assert.throws(() => validate([leaf], [root]), broke("work-limit")));
    assert.ok(cost < 100, `${cost} ms`);
    assert.equal(validate([createLeaf(root, { names: names.slice(0, 8) })], [root]).length, 2);
  });
});

describe("the cache", () => {
  const root = createRoot();
  const stranger = createRoot({ subject: "Stranger" });
  const authority = createIntermediate(root, { pathLength: 0 });
  const leaf = createLeaf(authority);
  const again = (one: TestCertificate): Certificate => parseCertificate(one.der);
  const run = (cache: PathCache, options: Partial<PathRequest> = {}): readonly Certificate[] =>
    validatePath({
      chain: [again(leaf), again(authority)],
      anchors: [root.certificate],
      time: Date.now(),
      target: "end-entity",
      cache,
      ...options,
    }).path;

  it("remembers the issuers of an accepted path, and gives back the same object", () => {
    const cache = createPathCache();
    const first = run(cache);
    assert.equal(cache.size, 1);
    const second = run(cache);
    assert.equal(second[1], first[1]);
    assert.notEqual(second[0], first[0]);
    assert.equal(cache.size, 1);
  });

  it("remembers nothing of a path that was refused", () => {
    const cache = createPathCache();
    assert.throws(() => run(cache, { anchors: [stranger.certificate] }), broke("issuer-unknown"));
    const expired = createIntermediate(root, { notAfter: Date.now() - 1000 });
    assert.throws(
      () => run(cache, { chain: [createLeaf(expired).certificate, expired.certificate] }),
      broke("expired"),
    );
    const forged = createIntermediate(root, { signWith: freshKey() });
    assert.throws(
      () => run(cache, { chain: [createLeaf(forged).certificate, forged.certificate] }),
      broke("signature"),
    );
    assert.equal(cache.size, 0);
  });

  it("changes no verdict: time, anchors, constraints and leaves are judged anew", () => {
    const cache = createPathCache();
    run(cache);
    assert.throws(() => run(cache, { time: Date.now() + 400 * 86_400_000 }), broke("expired"));
    assert.throws(
      () =>
        run(cache, {
          time: authority.certificate.notAfter + 1,
          chain: [
            createLeaf(authority, { notAfter: authority.certificate.notAfter + 9999 }).certificate,
            again(authority),
          ],
        }),
      broke("expired"),
    );
    assert.throws(() => run(cache, { anchors: [stranger.certificate] }), broke("issuer-unknown"));
    assert.throws(
      () => run(cache, { anchors: [createRoot({ subject: root.subject }).certificate] }),
      broke("key-identifier"),
    );
    const forged = createLeaf(authority, { signWith: freshKey() });
    assert.throws(() => run(cache, { chain: [again(forged), again(authority)] }), broke("signature"));
    const constrained = createRoot({
      key: root.key,
      nameConstraints: nameConstraintsExtension({ permitted: [generalNameDer.uri("other.test")] }),
    });
    assert.throws(() => run(cache, { anchors: [constrained.certificate] }), broke("name-constraints"));
  });

  it("does not take a certificate's signature from another certificate of the same subject and key", () => {
    const cache = createPathCache();
    run(cache);
    const forged = createIntermediate(root, { subject: authority.subject, key: authority.key, signWith: freshKey() });
    assert.throws(() => run(cache, { chain: [again(leaf), again(forged)] }), broke("signature"));
  });

  it("has a bound; the oldest make room", () => {
    const cache = createPathCache(3);
    for (let i = 0; i < 6; i++) {
      const one = createIntermediate(root);
      run(cache, { chain: [createLeaf(one).certificate, one.certificate] });
      assert.equal(cache.size, Math.min(i + 1, 3));
    }
  });

  it("saves the signature of the issuer", () => {
    // P-521 signatures cost ten times what P-256 ones do.
    const slowRoot = createRoot({ subject: "Slow Root", key: testKey("ec-p521", "slow root") });
    const issuer = createIntermediate(slowRoot);
    const workload = createLeaf(issuer);
    const cpuOf = (cacheOf: () => PathCache): number => {
      const start = process.cpuUsage();
      for (let i = 0; i < 60; i++) {
        run(cacheOf(), { chain: [again(workload), again(issuer)], anchors: [slowRoot.certificate] });
      }
      const { user, system } = process.cpuUsage(start);
      return user + system;
    };
    const shared = createPathCache();
    cpuOf(() => shared);
    const cold = cpuOf(() => createPathCache());
    const warm = cpuOf(() => shared);
    assert.ok(warm < cold / 2, `${warm} us with the cache, ${cold} us without`);
  });
});
