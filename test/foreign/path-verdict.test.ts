// Our path validator beside Go's crypto/x509 and the openssl program, on a thousand random chains, the corpus and PKITS: whatever we
// accept, they must accept. (That we accept what is good is the corpus' business: test/x509/path.) MESH_CA_TEST_SEED repeats a run.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { capture, projectRoot } from "../../scripts/lib/command.ts";
import {
  type Certificate,
  decodePem,
  encodePem,
  PathError,
  parseCertificate,
  sameName,
  validatePath,
  X509Error,
} from "../../src/x509/index.ts";
import { corpus } from "../x509/path/corpus/index.ts";
import { Dice, mutations, type PathCase, randomCase } from "./random-chains.ts";

const CASES = 1500;
const OPENSSL_SAMPLE = 40;

interface Exception {
  readonly name: string;
  /** Whether a path has what the exception speaks of. */
  applies(path: readonly Certificate[]): boolean;
}

/** Where we knowingly accept what Go refuses: RFC 5280 and OpenSSL accept it too. */
const MORE_LENIENT_THAN_GO: readonly Exception[] = [
  {
    name: "directory names in constraints and in critical alternative names: Go reads none",
    applies: (path) =>
      path.some(({ subjectAltName, nameConstraints }) => {
        const { permitted = [], excluded = [], critical = false } = nameConstraints ?? {};
        const constrained = [...permitted, ...excluded].some(({ kind }) => kind === "directory");
        const names = subjectAltName?.critical === true ? subjectAltName.names : [];
        const named = names.some(({ kind }) => kind === "directory");
        return (
          (critical && constrained) || (named && names.every(({ kind }) => kind === "directory" || kind === "other"))
        );
      }),
  },
  {
    name: "self-issued CAs (RFC 5280 section 6.1.4 (l)): Go counts them to a path length",
    applies: (path) =>
      path.some(({ basicConstraints }) => basicConstraints?.pathLength !== undefined) &&
      path.slice(1, -1).some(({ subject, issuer }) => sameName(subject, issuer)),
  },
  {
    name: "an issuer's name in another case or spacing (RFC 5280 section 7.1): Go compares octets",
    applies: (path) =>
      path.some(({ issuer }, i) => i + 1 < path.length && Buffer.compare(issuer, path[i + 1]?.subject ?? issuer) !== 0),
  },
];

/** OpenSSL takes the very last second of a certificate for past, RFC 5280 section 4.1.2.5 does not. */
const inItsLastSecond = (path: readonly Certificate[], time: number): boolean =>
  path.some(({ notAfter }) => Math.floor(time / 1000) * 1000 === notAfter);

interface Verdict {
  readonly ok: boolean;
  readonly error: string;
}

const folder = mkdtempSync(join(tmpdir(), "mesh-ca-verdicts-"));
after(() => rmSync(folder, { recursive: true, force: true }));

before(async () => {
  const cwd = join(projectRoot, "test/foreign/go");
  const { code, output } = await capture("go", ["build", "-o", join(folder, "verdicts"), "./verdicts"], { cwd });
  assert.equal(code, 0, output);
});

function goVerdicts(cases: readonly PathCase[]): Verdict[] {
  const base64 = (list: readonly Uint8Array[]): string[] => list.map((der) => Buffer.from(der).toString("base64"));
  const input = cases
    .map(({ chain, anchors, time, purposes }) =>
      JSON.stringify({ chain: base64(chain), anchors: base64(anchors), time, purposes }),
    )
    .join("\n");
  const { status, stdout, stderr } = spawnSync(join(folder, "verdicts"), [], {
    input,
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  assert.equal(status, 0, stderr);
  const verdicts = stdout
    .trim()
    .split("\n")
    .map((line): Verdict => JSON.parse(line));
  assert.equal(verdicts.length, cases.length, "Go judged every case");
  return verdicts;
}

/** The path that we accept, or why not. Helpers and anchors that we cannot read help nobody, as in Go. */
function ourVerdict({ chain, anchors, time, purposes }: PathCase): readonly Certificate[] | string {
  const read = (der: Uint8Array): Certificate[] => {
    try {
      return [parseCertificate(der)];
    } catch (error) {
      if (error instanceof X509Error) return [];
      throw error;
    }
  };
  const [first, ...others] = chain;
  const leaf = first === undefined ? undefined : read(first)[0];
  if (leaf === undefined) return "cannot be read";
  try {
    const request = { chain: [leaf, ...others.flatMap(read)], anchors: anchors.flatMap(read), time, purposes };
    return validatePath({ ...request, target: "end-entity", maxCertificates: 64 }).path;
  } catch (error) {
    if (error instanceof PathError) return error.rule;
    throw error;
  }
}

/** Holds our verdicts against Go's; gives the accepted cases with their paths. */
function compare(cases: readonly PathCase[], about: (one: PathCase) => string): Map<PathCase, readonly Certificate[]> {
  const verdicts = goVerdicts(cases);
  const accepted = new Map<PathCase, readonly Certificate[]>();
  const lenient: string[] = [];
  cases.forEach((one, i) => {
    const ours = ourVerdict(one);
    if (typeof ours === "string") return;
    accepted.set(one, ours);
    const go = verdicts[i];
    if (go?.ok === true) return;
    const said = go?.error ?? "";
    if (MORE_LENIENT_THAN_GO.some(({ applies }) => applies(ours))) return;
    const pem = one.chain.map((der) => encodePem("CERTIFICATE", der)).join("");
    lenient.push(`${about(one)}: we accept, Go says: ${said}\n${pem}`);
  });
  assert.deepEqual(lenient, [], `\n${lenient.slice(0, 5).join("\n")}`);
  return accepted;
}

/** `openssl verify` on exactly that path. */
function openSslVerdict(path: readonly Certificate[], { time, purposes }: PathCase): string {
  const file = (name: string, certificates: readonly Certificate[]): string => {
    writeFileSync(join(folder, name), certificates.map(({ der }) => encodePem("CERTIFICATE", der)).join(""));
    return join(folder, name);
  };
  const others = path.slice(1, -1);
  for (const purpose of purposes.length === 0 ? ["any"] : purposes) {
    const { status, stdout, stderr } = spawnSync(
      "openssl",
      [
        "verify",
        ...["-purpose", { serverAuth: "sslserver", clientAuth: "sslclient", any: "any" }[purpose] ?? "any"],
        ...["-attime", String(Math.floor(time / 1000)), "-partial_chain"],
        ...["-no-CApath", "-no-CAstore", "-CAfile", file("anchor.pem", path.slice(-1))],
        ...(others.length === 0 ? [] : ["-untrusted", file("others.pem", others)]),
        file("leaf.pem", path.slice(0, 1)),
      ],
      { encoding: "utf8" },
    );
    if (status !== 0) return `${stdout}${stderr}`;
  }
  return "ok";
}

describe("path verdicts", () => {
  test(`of ${CASES} random chains, Go and openssl accept what we accept`, () => {
    const seed = Number(process.env["MESH_CA_TEST_SEED"] ?? randomInt(2 ** 31));
    const dice = new Dice(seed);
    const cases = Array.from({ length: CASES }, (_, number) => randomCase(dice, number));
    const accepted = compare(cases, (one) => `seed ${seed}, ${one.mutations.join(" + ") || "nothing done"}`);
    // A generator that makes nothing but good chains, or none, would prove nothing.
    assert.ok(accepted.size > CASES / 5, `we accept ${accepted.size} of ${CASES}`);
    assert.ok(accepted.size < (CASES * 4) / 5, `we accept ${accepted.size} of ${CASES}`);
    for (const name of Object.keys(mutations)) {
      const alone = cases.filter((one) => one.mutations.includes(name));
      assert.ok(alone.length > CASES / 200, `${name} was done ${alone.length} times`);
    }
    const asked = [...accepted].filter(([{ time }, path]) => !inItsLastSecond(path, time));
    const sample = asked.filter((_, i) => i % Math.ceil(asked.length / OPENSSL_SAMPLE) === 0);
    for (const [one, path] of sample) {
      assert.equal(openSslVerdict(path, one), "ok", `seed ${seed}, ${one.mutations.join(" + ")}`);
    }
    console.log(`# seed ${seed}: we accept ${accepted.size} of ${CASES}; openssl was asked about ${sample.length}`);
  });

  test("of the corpus, Go accepts what we accept", () => {
    const cases = corpus.map((one) => ({
      mutations: [one.name],
      chain: one.chain.map(({ der }) => der),
      anchors: one.anchors.map(({ der }) => der),
      time: Date.now(),
      purposes: one.purposes ?? (["serverAuth", "clientAuth"] as const),
    }));
    const accepted = compare(cases, (one) => one.mutations.join());
    assert.ok(accepted.size > 20, `we accept ${accepted.size}`);
  });

  test("of PKITS, Go accepts what we accept", () => {
    const text = readFileSync(join(projectRoot, "test/x509/path/pkits/pkits.pem"), "latin1");
    const files = [...text.matchAll(/^(\w+)\n(-----BEGIN[\s\S]*?-----END CERTIFICATE-----\n)/gm)].map(
      ([, name = "", pem = ""]) => ({ name, der: decodePem(pem)[0]?.der ?? new Uint8Array() }),
    );
    const anchor = files.find(({ name }) => name === "TrustAnchorRootCertificate");
    assert.ok(anchor !== undefined);
    const authorities = files.filter(({ name }) => !name.endsWith("EE"));
    const cases = files
      .filter(({ name }) => name.endsWith("EE"))
      .map(({ name, der }) => ({
        mutations: [name],
        chain: [
          der,
          ...chainFor(
            der,
            authorities.map((one) => one.der),
          ),
        ],
        anchors: [anchor.der],
        time: Date.UTC(2020, 0, 1),
        purposes: [],
      }));
    const accepted = compare(cases, (one) => one.mutations.join());
    assert.ok(accepted.size > 20, `we accept ${accepted.size}`);
  });
});

/** Every CA that could be above a certificate, by name. */
function chainFor(leaf: Uint8Array, authorities: readonly Uint8Array[]): Uint8Array[] {
  const read = (der: Uint8Array): Certificate | undefined => {
    try {
      return parseCertificate(der);
    } catch {
      return undefined;
    }
  };
  const known = authorities.map((der) => ({ der, certificate: read(der) }));
  const found: { der: Uint8Array; certificate: Certificate | undefined }[] = [];
  const queue = [read(leaf)];
  for (const certificate of queue) {
    if (certificate === undefined) continue;
    for (const one of known) {
      if (found.includes(one) || one.certificate === undefined) continue;
      if (Buffer.compare(one.certificate.subject, certificate.issuer) !== 0) continue;
      found.push(one);
      queue.push(one.certificate);
    }
  }
  return found.map(({ der }) => der);
}
