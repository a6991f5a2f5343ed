// CRLs and OCSP responses that the openssl program made, as an enterprise's `openssl ca` and `openssl ocsp` do, read by us; and ours
// read by openssl. The responder is a real one on a socket.
import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { createRevocationFetch } from "../../src/identity-api/revocation-fetch.ts";
import { systemRandom } from "../../src/runtime/index.ts";
import {
  type Certificate,
  checkOcspResponse,
  createOcspRequest,
  decodePem,
  derNull,
  encodeExtension,
  findRevoked,
  type OcspAnswer,
  oid,
  parseCrl,
  parseOcspResponse,
  type RevokedEntry,
  verifyCrl,
  X509Error,
} from "../../src/x509/index.ts";
import { createIntermediate, createLeaf, createRoot, type TestCertificate, testKey } from "../support/pki.ts";
import { freePort } from "../support/ports.ts";
import { createCrl } from "../support/revocation.ts";

function drive<T>(steps: Generator<void, T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}

const roots = {
  "EC P-256": createRoot({ key: testKey("ec-p256", "foreign-root") }),
  "RSA-2048": createRoot({ key: testKey("rsa-2048", "foreign-root") }),
};

for (const [kind, root] of Object.entries(roots)) {
  describe(`openssl with a root of ${kind}`, () => {
    const folder = mkdtempSync(join(tmpdir(), "mesh-ca-revocation-"));
    const at = (name: string): string => join(folder, name);
    const good = createIntermediate(root, { subject: "Good" });
    const revoked = createIntermediate(root, { subject: "Revoked" });
    const held = createIntermediate(root, { subject: "Held" });
    const responder = createLeaf(root, {
      subject: "Responder",
      names: [],
      extendedKeyUsage: [oid.ocspSigning],
      extraExtensions: [encodeExtension(oid.ocspNoCheck, false, derNull())],
    });
    const running: ChildProcess[] = [];

    before(() => {
      const files: readonly (readonly [string, TestCertificate])[] = [
        ["root", root],
        ["good", good],
        ["revoked", revoked],
        ["held", held],
        ["responder", responder],
      ];
      for (const [name, { pem, keyPem }] of files) {
        writeFileSync(at(`${name}.pem`), pem);
        writeFileSync(at(`${name}.key`), keyPem, { mode: 0o600 });
      }
      for (const extensions of ["", `crlnumber = ${at("crlnumber")}\ncrl_extensions = crl_ext\n`]) {
        writeFileSync(
          at(extensions === "" ? "v1.cnf" : "v2.cnf"),
          `[ca]\ndefault_ca = own\n[own]\ndatabase = ${at("index.txt")}\ndefault_md = sha256\ndefault_crl_days = 7\nunique_subject = no\n${extensions}[crl_ext]\nauthorityKeyIdentifier = keyid:always\n`,
        );
      }
      writeFileSync(at("index.txt"), "");
      writeFileSync(at("crlnumber"), "1000\n");
      const ca = ["-config", at("v2.cnf"), "-cert", at("root.pem"), "-keyfile", at("root.key")];
      openssl("ca", ...ca, "-valid", at("good.pem"));
      openssl("ca", ...ca, "-revoke", at("revoked.pem"), "-crl_compromise", "20260102030405Z");
      openssl("ca", ...ca, "-revoke", at("held.pem"), "-crl_hold", "holdInstructionNone");
    });
    after(() => {
      for (const child of running) child.kill();
      rmSync(folder, { recursive: true, force: true });
    });

    function crlOf(config: "v1.cnf" | "v2.cnf"): Uint8Array {
      const ca = ["-config", at(config), "-cert", at("root.pem"), "-keyfile", at("root.key")];
      openssl("ca", ...ca, "-gencrl", "-out", at("made.crl"));
      const [block] = decodePem(readFileSync(at("made.crl"), "utf8"));
      assert.ok(block);
      return block.der;
    }

    test("makes v2 CRLs that we read and verify as it does: number, reasons, times, and what is not listed", () => {
      const crl = parseCrl(crlOf("v2.cnf"));
      assert.equal(crl.version, 2);
      assert.equal(crl.number, 0x1000n);
      drive(verifyCrl(crl, root.certificate));
      const [listed, hold, none] = lookUp(crl, revoked, held, good);
      assert.equal(listed?.reason, "keyCompromise");
      assert.equal(listed?.invalidityDate, Date.UTC(2026, 0, 2, 3, 4, 5));
      assert.equal(hold?.reason, "certificateHold");
      assert.equal(none, undefined);
      const text = openssl("crl", "-in", at("made.crl"), "-noout", "-lastupdate", "-nextupdate");
      const [last, next] = [...text.matchAll(/=(.*)$/gm)].map(([, time]) => Date.parse(time ?? ""));
      assert.deepEqual([crl.thisUpdate, crl.nextUpdate], [last, next]);
      assert.ok(Math.abs((listed?.revokedAt ?? 0) - Date.now()) < 60_000);
    });

    test("makes a v1 CRL where the configuration asks for nothing else, which we read too", () => {
      const index = readFileSync(at("index.txt"), "utf8");
      // Reasons are entry extensions, and make it v2.
      writeFileSync(at("index.txt"), index.replace(/,(keyTime|CAkeyTime|holdInstruction),[^\t]*/g, ""));
      try {
        const crl = parseCrl(crlOf("v1.cnf"));
        assert.equal(crl.version, 1);
        drive(verifyCrl(crl, root.certificate));
        const [listed, hold, none] = lookUp(crl, revoked, held, good);
        assert.deepEqual([listed?.reason, hold?.reason, none], ["unspecified", "unspecified", undefined]);
      } finally {
        writeFileSync(at("index.txt"), index);
      }
    });

    test("reads and verifies the CRLs that our tests write", () => {
      const { serial } = revoked.certificate;
      writeFileSync(at("ours.der"), createCrl(root, { revoked: [{ serial, reason: "cACompromise" }], number: 77 }));
      const args = ["crl", "-inform", "DER", "-in", at("ours.der"), "-CAfile", at("root.pem"), "-noout", "-text"];
      const text = openssl(...args);
      assert.match(text, /CA Compromise/);
      assert.ok(text.toLowerCase().includes(revoked.certificate.serialHex));
      const { stderr } = spawnSync("openssl", args, { encoding: "utf8" });
      assert.match(stderr, /verify OK/);
    });

    test("understands our OCSP request: certificate, issuer, nonce", () => {
      const nonce = systemRandom.bytes(32);
      const der = createOcspRequest({ certificate: good.certificate, issuer: root.certificate, nonce });
      writeFileSync(at("request.der"), der);
      const text = openssl("ocsp", "-reqin", at("request.der"), "-req_text");
      assert.match(text, /Hash Algorithm: sha1/);
      assert.ok(text.toLowerCase().includes(good.certificate.serialHex));
      assert.match(text, /OCSP Nonce/);
    });

    for (const [who, signer, more] of [
      ["itself", "root", []],
      ["by a delegated responder", "responder", ["-nmin", "10"]],
      ["by a delegated responder named by its key", "responder", ["-nmin", "10", "-resp_key_id"]],
    ] as const) {
      test(`answers over http ${who}: good, revoked with reason, on hold, and unknown`, async () => {
        const url = await respond(signer, more);
        assert.equal((await ask(url, good.certificate)).status.kind, "good");
        assert.ok((await ask(url, good.certificate)).fresh);
        const bad = await ask(url, revoked.certificate);
        assert.ok(bad.status.kind === "revoked");
        assert.equal(bad.status.reason, "keyCompromise");
        const hold = await ask(url, held.certificate);
        assert.ok(hold.status.kind === "revoked");
        assert.equal(hold.status.reason, "certificateHold");
        const stranger = createIntermediate(root, { subject: "Never listed" });
        assert.equal((await ask(url, stranger.certificate)).status.kind, "unknown");
      });
    }

    test("answers by a responder that the root did not certify for it, and is not believed", async () => {
      const url = await respond("good", []);
      await assert.rejects(
        ask(url, revoked.certificate),
        (error: unknown) => error instanceof X509Error && error.code === "MCA_OCSP_UNUSABLE",
      );
    });

    /** `openssl ocsp` as a responder over the index; its address. */
    async function respond(signer: string, more: readonly string[]): Promise<string> {
      const port = await freePort();
      const child = spawn(
        "openssl",
        [
          "ocsp",
          ...["-index", at("index.txt"), "-CA", at("root.pem"), "-port", String(port)],
          ...["-rsigner", at(`${signer}.pem`), "-rkey", at(`${signer}.key`), "-rmd", "sha256"],
          ...more,
        ],
        { stdio: ["ignore", "ignore", "pipe"] },
      );
      let said = "";
      child.stderr.on("data", (chunk) => {
        said += String(chunk);
      });
      running.push(child);
      const url = `http://127.0.0.1:${port}/`;
      const probe = createOcspRequest({ certificate: good.certificate, issuer: root.certificate });
      let last = "";
      for (let tries = 0; tries < 100; tries++) {
        const answer = await post(url, probe);
        if (answer.kind === "answer") return url;
        last = JSON.stringify(answer);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      throw new Error(`the openssl responder did not come up: ${last}, ${said}`);
    }

    function post(url: string, body: Uint8Array) {
      return createRevocationFetch({ ocspTimeoutMs: 2000, silenceMs: 1000 })(url, {
        kind: "ocsp",
        maxBytes: 65_536,
        body,
        anchor: root.certificate,
        signal: new AbortController().signal,
      });
    }

    async function ask(url: string, certificate: Certificate): Promise<OcspAnswer> {
      const nonce = systemRandom.bytes(32);
      const issuer = root.certificate;
      const answer = await post(url, createOcspRequest({ certificate, issuer, nonce }));
      assert.ok(answer.kind === "answer", JSON.stringify(answer));
      return checkOcspResponse(parseOcspResponse(answer.bytes), { certificate, issuer, nonce, now: Date.now() });
    }
  });
}

function lookUp(
  crl: ReturnType<typeof parseCrl>,
  ...certificates: readonly TestCertificate[]
): readonly (RevokedEntry | undefined)[] {
  return drive(
    findRevoked(
      crl,
      certificates.map(({ certificate }) => certificate.serial),
    ),
  );
}

/** Runs openssl; its standard output. Throws with what it said where it fails. */
function openssl(...args: readonly string[]): string {
  const result = spawnSync("openssl", args, { encoding: "utf8" });
  if (result.status !== 0) throw new Error(`openssl ${args.join(" ")}: ${result.stderr}${result.stdout}`);
  return result.stdout;
}
