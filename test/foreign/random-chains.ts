// Random chains that began as good ones: each case has an anchor, up to three CAs and a leaf, and none to three things done to
// them. The same seed makes the same cases (but for ECDSA's own randomness).
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import {
  DerReader,
  derBitString,
  derContext,
  derNull,
  derOid,
  derSequence,
  derUtf8String,
  encodeExtension,
  encodeName,
  type GeneralName,
  type KeyUsage,
  oid,
  type Purpose,
  tag,
} from "../../src/x509/index.ts";
import {
  type CertificateOptions,
  createIntermediate,
  createLeaf,
  createRoot,
  type ForeignAlgorithm,
  generalNameDer,
  nameConstraintsExtension,
  TestCertificate,
  testKey,
} from "../support/pki.ts";

/** What the judges are asked. DER, because some of it no reader reads. */
export interface PathCase {
  /** What was done to the good chain. */
  readonly mutations: readonly string[];
  /** Leaf first, then in any order. */
  readonly chain: readonly Uint8Array[];
  readonly anchors: readonly Uint8Array[];
  /** Unix milliseconds. */
  readonly time: number;
  readonly purposes: readonly Purpose[];
}

type Write<T> = { -readonly [K in keyof T]: T[K] };
type Options = Write<CertificateOptions>;

/** A case before its certificates are made. CAs are in order from the anchor down. */
interface Plan {
  root: Options;
  cas: Options[];
  leaf: Options;
  time: number;
  purposes: Purpose[];
  /** Things to be done once the certificates are there: `built` is leaf first, without the anchor. */
  afterwards: ((built: Built) => void)[];
}

interface Built {
  chain: TestCertificate[];
  anchors: TestCertificate[];
}

/** mulberry32: small, and the same everywhere. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to below `sides`. */
  roll(sides: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * sides);
  }

  one<T>(list: readonly T[]): T {
    const found = list[this.roll(list.length)];
    if (found === undefined) throw new RangeError("the list is empty");
    return found;
  }

  shuffled<T>(list: readonly T[]): T[] {
    return list
      .map((value) => ({ value, at: this.roll(1 << 20) }))
      .sort((a, b) => a.at - b.at)
      .map(({ value }) => value);
  }
}

const NOW = Math.floor(Date.now() / 1000) * 1000;

const dns = [
  "example.test",
  "a.example.test",
  "b.a.example.test",
  "other.test",
  "EXAMPLE.test",
  "example.test.",
  "*.example.test",
  "a_b.example.test",
  "-",
  "",
  "..",
  "example.test\u0000",
];
const uris = [
  "spiffe://example.test/a",
  "spiffe://a.example.test/x",
  "spiffe://other.test/a",
  "spiffe://EXAMPLE.test/a",
  "spiffe://10.0.0.1/",
  "spiffe://[::1]/",
  "spiffe://example.test:1/a",
  "spiffe://u@example.test/",
  "spiffe://example.test./",
  "urn:x:y",
  "spiffe:///x",
  "http://%65xample.test/",
  "//example.test/",
  "not a uri",
];
const emails = ["a@example.test", "A@a.example.test", "b@other.test", "nobody", '"q q"@example.test', "a@EXAMPLE.test"];
const addresses = [[10, 1, 2, 3], [192, 0, 2, 1], new Array<number>(16).fill(32), [10, 1]];
const directories = [
  {},
  { organization: "Example" },
  { organization: "example", commonName: "x" },
  { commonName: "other.test" },
];
const bases = {
  dns: [
    "example.test",
    ".example.test",
    "a.example.test",
    "",
    "test",
    "EXAMPLE.test",
    "*.example.test",
    "example.test.",
  ],
  uri: ["example.test", ".example.test", "other.test", "", "EXAMPLE.test", "10.0.0.1", "spiffe://example.test"],
  email: ["example.test", ".example.test", "a@example.test", "@example.test", ""],
  ip: [
    [10, 0, 0, 0, 255, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 0, 0],
    [10, 0, 0, 0, 255, 0, 255, 0],
    new Array<number>(32).fill(0),
    [10, 0],
  ],
};
const usages: readonly (readonly KeyUsage[] | null)[] = [
  null,
  ["digitalSignature"],
  ["keyCertSign"],
  ["cRLSign"],
  ["keyAgreement"],
  ["digitalSignature", "keyCertSign"],
  [],
];
const purposes: readonly (readonly string[] | null)[] = [
  null,
  [oid.serverAuth],
  [oid.clientAuth],
  [oid.serverAuth, oid.clientAuth],
  [oid.anyExtendedKeyUsage],
  ["1.3.6.1.5.5.7.3.4"],
  ["2.16.840.1.113730.4.1"],
  ["1.3.6.1.4.1.311.10.3.3"],
  [],
];

function name(dice: Dice): GeneralName {
  switch (dice.roll(8)) {
    case 0:
    case 1:
      return { kind: "dns", value: dice.one(dns) };
    case 2:
    case 3:
      return { kind: "uri", value: dice.one(uris) };
    case 4:
      return { kind: "email", value: dice.one(emails) };
    case 5:
      return { kind: "ip", bytes: Uint8Array.from(dice.one(addresses)) };
    case 6:
      return { kind: "other", tag: 8, der: derContext(8, Uint8Array.of(0x2a, 0x03), false) };
    default:
      return { kind: "directory", der: encodeName(dice.one(directories)) };
  }
}

function base(dice: Dice, kind: "dns" | "uri" | "other"): Uint8Array {
  if (kind === "dns") return generalNameDer.dns(dice.one(bases.dns));
  if (kind === "uri") return generalNameDer.uri(dice.one(bases.uri));
  if (dice.roll(3) === 0) return generalNameDer.email(dice.one(bases.email));
  if (dice.roll(2) === 0) return generalNameDer.ip(...dice.one(bases.ip));
  return generalNameDer.directory(encodeName(dice.one(directories)));
}

function constraints(dice: Dice, kind: "dns" | "uri" | "other"): Uint8Array {
  const some = (): Uint8Array[] => Array.from({ length: dice.roll(3) }, () => base(dice, kind));
  const permitted = some();
  const excluded = permitted.length === 0 ? [base(dice, kind), ...some()] : some();
  return nameConstraintsExtension({ permitted, excluded }, dice.roll(4) !== 0);
}

const sha1Ecdsa: ForeignAlgorithm = {
  der: derSequence(derOid("1.2.840.10045.4.1")),
  sign: (key, tbs) => new Uint8Array(sign("sha1", tbs, key)),
};
const sha1Rsa: ForeignAlgorithm = {
  der: derSequence(derOid("1.2.840.113549.1.1.5"), derNull()),
  sign: (key, tbs) => new Uint8Array(sign("sha1", tbs, key)),
};

let largeExponent: KeyObject | undefined;
const keys: readonly (() => KeyObject)[] = [
  () => testKey("rsa-1024"),
  () => testKey("rsa-2048"),
  () => testKey("ec-p384"),
  () => testKey("ec-p521"),
  () => testKey("ec-secp256k1"),
  () => testKey("ed25519"),
  () => (largeExponent ??= generateKeyPairSync("rsa", { modulusLength: 2048, publicExponent: 0xffff_fffb }).privateKey),
];

const requireExplicitPolicy = (after: number): Uint8Array =>
  encodeExtension(oid.policyConstraints, true, derSequence(derContext(0, Uint8Array.of(after), false)));
const inhibitMapping = (after: number): Uint8Array =>
  encodeExtension(oid.policyConstraints, true, derSequence(derContext(1, Uint8Array.of(after), false)));
const policy = (id: string): Uint8Array =>
  encodeExtension(oid.certificatePolicies, false, derSequence(derSequence(derOid(id))));

/** Every certificate of the plan; the first is the anchor, the last is the leaf. */
const all = (plan: Plan): Options[] => [plan.root, ...plan.cas, plan.leaf];
const issuers = (plan: Plan): Options[] => [plan.root, ...plan.cas];

type Mutation = (plan: Plan, dice: Dice) => void;

/** What may be done to a good chain. */
export const mutations: Readonly<Record<string, Mutation>> = {
  "path-length": (plan, dice) => {
    dice.one(issuers(plan)).pathLength = dice.roll(4);
  },
  "key-usage": (plan, dice) => {
    dice.one(all(plan)).keyUsage = dice.one(usages);
  },
  "extended-key-usage": (plan, dice) => {
    dice.one(all(plan)).extendedKeyUsage = dice.one(purposes);
  },
  purposes: (plan, dice) => {
    plan.purposes = [...dice.one<readonly Purpose[]>([[], ["serverAuth"], ["clientAuth"]])];
  },
  "name-constraints-uri": (plan, dice) => {
    dice.one(issuers(plan)).nameConstraints = constraints(dice, "uri");
  },
  "name-constraints-dns": (plan, dice) => {
    plan.leaf.names = [
      { kind: "dns", value: dice.one(dns) },
      { kind: "uri", value: dice.one(uris) },
    ];
    dice.one(issuers(plan)).nameConstraints = constraints(dice, "dns");
  },
  "name-constraints-other": (plan, dice) => {
    dice.one(issuers(plan)).nameConstraints = constraints(dice, "other");
  },
  names: (plan, dice) => {
    plan.leaf.names = Array.from({ length: 1 + dice.roll(3) }, () => name(dice));
  },
  "names-of-a-ca": (plan, dice) => {
    dice.one(issuers(plan)).names = [name(dice)];
  },
  "expired-or-early": (plan, dice) => {
    const one = dice.one(all(plan));
    if (dice.roll(2) === 0) one.notAfter = NOW - 1000 * dice.roll(3);
    else one.notBefore = NOW + 1000 * dice.roll(3);
  },
  "at-the-edge": (plan, dice) => {
    const one = dice.one(all(plan));
    if (dice.roll(2) === 0) one.notAfter = NOW;
    else one.notBefore = NOW;
    plan.time = NOW + dice.one([-1000, -1, 0, 1, 999, 1000]);
  },
  order: (plan, dice) => {
    plan.afterwards.push((built) => {
      const [leaf, ...others] = built.chain;
      if (leaf !== undefined) built.chain = [leaf, ...dice.shuffled(others)];
    });
  },
  missing: (plan, dice) => {
    plan.afterwards.push((built) => {
      if (built.chain.length > 1) built.chain.splice(1 + dice.roll(built.chain.length - 1), 1);
    });
  },
  "root-in-the-chain": (plan) => {
    plan.afterwards.push((built) => {
      built.chain.push(...built.anchors);
    });
  },
  "other-anchors": (plan, dice) => {
    plan.afterwards.push((built) => {
      const stranger = createRoot({
        subject: dice.one(["Stranger", "Random Root"]),
        key: testKey("ec-p256", "stranger"),
      });
      built.anchors = dice.roll(2) === 0 ? [stranger, ...built.anchors] : [stranger];
    });
  },
  "an-anchor-below": (plan, dice) => {
    plan.afterwards.push((built) => {
      const anchor = built.chain[1 + dice.roll(Math.max(1, built.chain.length - 1))];
      if (anchor !== undefined) built.anchors = dice.roll(2) === 0 ? [anchor] : [anchor, ...built.anchors];
    });
  },
  "cross-signed": (plan, dice) => {
    plan.afterwards.push((built) => {
      const twin = built.chain[1 + dice.roll(Math.max(1, built.chain.length - 1))];
      if (twin === undefined) return;
      const other = createRoot({ subject: "Other Root", key: testKey("ec-p256", "other root") });
      const options: Options = { subject: twin.subject, key: twin.key };
      if (dice.roll(2) === 0) options.nameConstraints = constraints(dice, "uri");
      if (dice.roll(3) === 0) options.pathLength = dice.roll(2);
      if (dice.roll(4) === 0) options.notAfter = NOW - 1000;
      const crossed = createIntermediate(other, options);
      if (dice.roll(2) === 0) built.chain.push(crossed);
      else built.chain.splice(1, 0, crossed);
      if (dice.roll(2) === 0) built.anchors.push(other);
      if (dice.roll(3) === 0) built.anchors = [other];
    });
  },
  "self-issued": (plan, dice) => {
    const at = dice.roll(plan.cas.length + 1);
    const subject = at === 0 ? plan.root.subject : plan.cas[at - 1]?.subject;
    plan.cas.splice(at, 0, { ...(subject === undefined ? {} : { subject }), key: testKey("ec-p256", "rolled over") });
  },
  algorithm: (plan, dice) => {
    dice.one(all(plan)).key = dice.one(keys)();
  },
  "weak-signature": (plan, dice) => {
    const at = dice.roll(plan.cas.length + 1);
    const signed = [...plan.cas, plan.leaf][at];
    if (signed === undefined) return;
    const rsa = dice.roll(2) === 0;
    const issuer = issuers(plan)[at];
    if (issuer !== undefined && rsa) issuer.key = testKey("rsa-2048");
    signed.signatureAlgorithm = rsa ? dice.one([sha1Rsa, "rsa-sha512" as const, "rsa-pss-sha256" as const]) : sha1Ecdsa;
  },
  "wrong-signature": (plan, dice) => {
    dice.one([...plan.cas, plan.leaf]).signWith = testKey("ec-p256", "stranger");
  },
  identifiers: (plan, dice) => {
    const one = dice.one(all(plan));
    if (dice.roll(2) === 0) one.authorityKeyId = dice.one([null, Uint8Array.of(1)]);
    else one.subjectKeyId = dice.one([null, Uint8Array.of(1)]);
  },
  "basic-constraints": (plan, dice) => {
    const one = dice.one(all(plan));
    if (dice.roll(2) === 0) one.basicConstraints = dice.one(["not-critical", null]);
    else one.ca = one === plan.leaf;
  },
  version: (plan, dice) => {
    dice.one(all(plan)).version = dice.roll(4);
  },
  serial: (plan, dice) => {
    dice.one(all(plan)).serial = dice.one([
      Uint8Array.of(0),
      Uint8Array.of(0x80, 1),
      new Uint8Array(25).fill(7),
      Uint8Array.of(0, 1),
    ]);
  },
  subject: (plan, dice) => {
    dice.one([...plan.cas, plan.leaf]).subject = dice.one([
      "",
      encodeName({ organization: "Example", commonName: "other.test" }),
      "a name",
    ]);
  },
  "unknown-extension": (plan, dice) => {
    const extension = encodeExtension("1.3.6.1.4.1.55555.1", dice.roll(2) === 0, derUtf8String("?"));
    dice.one(all(plan)).extraExtensions = dice.roll(3) === 0 ? [extension, extension] : [extension];
  },
  policies: (plan, dice) => {
    const one = dice.one(issuers(plan));
    one.extraExtensions = [dice.one([requireExplicitPolicy(dice.roll(3)), inhibitMapping(0)])];
    for (const below of [...plan.cas, plan.leaf]) {
      if (below !== one && dice.roll(3) !== 0)
        below.extraExtensions = [policy(dice.one(["1.2.3.4", "1.2.3.4", oid.anyPolicy, "1.2.3.5"]))];
    }
  },
  "revocation-sources": (plan, dice) => {
    const uri = derContext(6, new TextEncoder().encode("http://crl.example.test/"), false);
    const access = derSequence(derSequence(derOid("1.3.6.1.5.5.7.48.1"), uri));
    const point = derSequence(derSequence(derContext(0, derContext(0, uri, true), true)));
    const [id, good] = dice.one([["1.3.6.1.5.5.7.1.1", access] as const, ["2.5.29.31", point] as const]);
    const bad = dice.one([
      derSequence(uri),
      derSequence(derSequence(uri)),
      derSequence(derSequence(derSequence())),
      uri,
    ]);
    const extension = encodeExtension(id, dice.roll(8) === 0, dice.roll(2) === 0 ? good : bad);
    dice.one(all(plan)).extraExtensions = [extension];
  },
  "policy-mappings": (plan, dice) => {
    const pair = derSequence(derOid("1.2.3.4"), derOid("1.2.3.5"));
    const value = dice.one([
      derSequence(pair),
      derSequence(derOid("1.2.3.4")),
      derSequence(derSequence(derOid("1.2.3.4"))),
    ]);
    dice.one(all(plan)).extraExtensions = [encodeExtension("2.5.29.33", dice.roll(2) === 0, value)];
  },
  "a-byte-signed-over": (plan, dice) => {
    plan.afterwards.push((built) => {
      const at = dice.roll(built.chain.length);
      const one = built.chain[at];
      const issuer = built.chain[at + 1] ?? built.anchors[0];
      if (one !== undefined && issuer !== undefined) built.chain[at] = withOtherBytes(one, issuer.key, dice);
    });
  },
};

/** A certificate with one to three bytes of what is signed changed, and signed again: only readers can object. */
function withOtherBytes(certificate: TestCertificate, issuerKey: KeyObject, dice: Dice): TestCertificate {
  if (issuerKey.asymmetricKeyDetails?.namedCurve !== "prime256v1") return certificate;
  const parts = new DerReader(certificate.der).enter(tag.sequence, "the certificate");
  const tbs = parts.element(tag.sequence, "the TBSCertificate").slice();
  const algorithm = parts.element(tag.sequence, "the signature algorithm");
  for (let count = 1 + dice.roll(3); count > 0; count--) {
    const at = dice.roll(tbs.length);
    tbs[at] = dice.roll(2) === 0 ? dice.roll(256) : (tbs[at] ?? 0) ^ (1 << dice.roll(8));
  }
  const signature = new Uint8Array(sign("sha256", tbs, issuerKey));
  return new TestCertificate(
    derSequence(tbs, algorithm, derBitString(signature)),
    certificate.key,
    certificate.subject,
  );
}

const names = Object.keys(mutations);

/** One case. `number` makes its CAs' names. */
export function randomCase(dice: Dice, number: number): PathCase {
  for (;;) {
    const made = tryCase(dice, number);
    if (made !== undefined) return made;
  }
}

function goodPlan(dice: Dice, number: number): Plan {
  return {
    root: { subject: "Random Root", key: testKey("ec-p256", "root") },
    cas: Array.from({ length: dice.roll(4) }, (_, i) => ({
      subject: encodeName({ organization: "Example", commonName: `CA ${number}.${i}` }),
      key: testKey("ec-p256", `ca ${i}`),
    })),
    leaf: { key: testKey("ec-p256", "leaf") },
    time: NOW,
    purposes: ["serverAuth", "clientAuth"],
    afterwards: [],
  };
}

/** Undefined for what our writers refuse to write, for example an RSA signature by an elliptic curve's key. */
function tryCase(dice: Dice, number: number): PathCase | undefined {
  const plan = goodPlan(dice, number);
  const done = Array.from({ length: dice.roll(4) }, () => dice.one(names));
  try {
    for (const one of done) mutations[one]?.(plan, dice);
    const built = build(plan);
    for (const change of plan.afterwards) change(built);
    return {
      mutations: done,
      chain: built.chain.map(({ der }) => der),
      anchors: built.anchors.map(({ der }) => der),
      time: plan.time,
      purposes: plan.purposes,
    };
  } catch (error) {
    if (error instanceof Error && !(error instanceof ReferenceError)) return undefined;
    throw error;
  }
}

function build({ root, cas, leaf }: Plan): Built {
  const anchor = createRoot(writable(root));
  const made: TestCertificate[] = [];
  for (const one of cas) made.unshift(createIntermediate(made[0] ?? anchor, writable(one)));
  return { chain: [createLeaf(made[0] ?? anchor, writable(leaf)), ...made], anchors: [anchor] };
}

/** A path length can be written for CAs only, and a signature by a key needs an algorithm of that key. */
function writable(options: Options): CertificateOptions {
  const { pathLength, ...rest } = options;
  return options.ca === false || pathLength === undefined ? rest : { ...rest, pathLength };
}
