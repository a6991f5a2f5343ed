// The openssl program as a caller and as a judge: it makes the keys and CSRs, verifies what was issued (with -x509_strict), says what
// it reads in it, and speaks TLS with the server. None of our own certificate code is asked.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { IssueX509SvidResponse } from "../../src/proto/gen/meshca/identity/v1/identity.ts";
import { connect, issue } from "../support/api-client.ts";
import { ServerProcess } from "../support/server-process.ts";

const KEYS: readonly (readonly [name: string, newkey: readonly string[]])[] = [
  ["P-256", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]],
  ["P-384", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"]],
  ["RSA-2048", ["-newkey", "rsa:2048"]],
  ["RSA-4096", ["-newkey", "rsa:4096"]],
  ["Ed25519", ["-newkey", "ed25519"]],
];

describe("openssl", () => {
  const folder = mkdtempSync(join(tmpdir(), "mesh-ca-openssl-"));
  chmodSync(folder, 0o711);
  let server: ServerProcess;

  before(async () => {
    server = await ServerProcess.initialise(folder, {
      main: "src/cli/main.ts",
      trustDomain: "foreign.test",
      config: {
        attestors: { token: { kind: "join-token" } },
        rules: [
          {
            name: "foreign",
            match: { "token.service": "*" },
            spiffeId: "spiffe://{trustDomain}/foreign/{token.service}",
            dnsNames: ["{token.service}.foreign.test"],
          },
        ],
      },
    });
    server.spawn();
    await server.ready();
  });
  after(async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  for (const [name, newkey] of KEYS) {
    test(`makes a ${name} key and CSR, and verifies the certificate issued for it with -x509_strict`, async () => {
      const service = name.toLowerCase();
      const files = await enrol(service, newkey);
      const verified = openssl(
        "verify",
        "-x509_strict",
        "-CAfile",
        files.anchors,
        "-untrusted",
        files.chain,
        files.leaf,
      );
      assert.match(verified, /: OK/);
      for (const purpose of ["sslserver", "sslclient"]) {
        openssl(
          "verify",
          "-x509_strict",
          "-purpose",
          purpose,
          "-CAfile",
          files.anchors,
          "-untrusted",
          files.chain,
          files.leaf,
        );
      }
      const text = openssl("x509", "-in", files.leaf, "-noout", "-text");
      assert.match(text, /Subject: *\n/);
      assert.match(text, /X509v3 Subject Alternative Name: critical\s+/);
      assert.ok(text.includes(`URI:spiffe://foreign.test/foreign/${service}`), text);
      assert.ok(text.includes(`DNS:${service}.foreign.test`), text);
      assert.match(text, /X509v3 Key Usage: critical\s+Digital Signature\n/);
      assert.match(
        text,
        /X509v3 Extended Key Usage: *\n\s+TLS Web Server Authentication, TLS Web Client Authentication\n/,
      );
      assert.match(text, /X509v3 Basic Constraints: critical\s+CA:FALSE\n/);
      assert.equal(publicKeyOf(files.leaf, "x509"), publicKeyOf(files.csr, "req"), "the certificate holds another key");
    });
  }

  test("refuses the certificate under the anchors of another trust domain", async () => {
    const files = await enrol("stranger", KEYS[0]?.[1] ?? []);
    const other = join(folder, "other-root.pem");
    openssl(
      "req",
      "-x509",
      ...(KEYS[0]?.[1] ?? []),
      "-nodes",
      "-keyout",
      join(folder, "other.key"),
      "-subj",
      "/CN=other",
      "-out",
      other,
    );
    const refused = spawnSync(
      "openssl",
      ["verify", "-x509_strict", "-CAfile", other, "-untrusted", files.chain, files.leaf],
      { encoding: "utf8" },
    );
    assert.notEqual(refused.status, 0);
  });

  test("verifies the server's own certificate in a TLS 1.3 handshake, and cannot resume the session", async () => {
    const { anchors } = await enrol("observer", KEYS[0]?.[1] ?? []);
    const args = [
      "s_client",
      "-connect",
      server.address,
      "-alpn",
      "h2",
      "-CAfile",
      anchors,
      "-x509_strict",
      "-verify_return_error",
    ];
    const session = join(folder, "session.pem");
    const handshake = spawnSync("openssl", [...args, "-sess_out", session], {
      input: "",
      encoding: "utf8",
      timeout: 10_000,
    });
    assert.match(handshake.stdout, /Verify return code: 0 \(ok\)/, handshake.stderr);
    assert.match(handshake.stdout, /TLSv1\.3/);
    assert.match(handshake.stdout, /^New, TLSv1\.3/m);
    // OpenSSL sends session IDs as tickets in spite of SSL_OP_NO_TICKET; what matters is that none of them is worth anything.
    if (existsSync(session)) {
      const again = spawnSync("openssl", [...args, "-sess_in", session], {
        input: "",
        encoding: "utf8",
        timeout: 10_000,
      });
      assert.match(again.stdout, /^New, TLSv1\.3/m, "the session was resumed");
    }
    const old = spawnSync("openssl", [...args, "-tls1_2"], { input: "", encoding: "utf8", timeout: 10_000 });
    assert.notEqual(old.status, 0, "the server took TLS 1.2");
  });

  /** Enrols by join token with a CSR that openssl made, and writes what was issued as PEM files. */
  async function enrol(
    service: string,
    newkey: readonly string[],
  ): Promise<{ leaf: string; chain: string; anchors: string; csr: string }> {
    const [token = ""] = await server.tokens([service]);
    const csr = join(folder, `${service}.csr`);
    openssl(
      "req",
      "-new",
      ...newkey,
      "-nodes",
      "-keyout",
      join(folder, `${service}.key`),
      "-subj",
      "/CN=ignored",
      "-outform",
      "DER",
      "-out",
      csr,
    );
    const client = connect(server.address);
    let response: IssueX509SvidResponse;
    try {
      response = await issue(client, { csr: readFileSync(csr), evidence: { $case: "joinToken", value: token } });
    } finally {
      client.close();
    }
    const [leafDer, ...intermediates] = response.certificateChain;
    assert.ok(leafDer);
    return {
      csr,
      leaf: pemFile(`${service}.pem`, [leafDer]),
      chain: pemFile(`${service}-chain.pem`, [leafDer, ...intermediates]),
      anchors: pemFile(`${service}-anchors.pem`, response.trust?.anchors ?? []),
    };
  }

  function pemFile(name: string, certificates: readonly Uint8Array[]): string {
    const path = join(folder, name);
    const pem = certificates.map((der) => openssl("x509", { input: der }, "-inform", "DER"));
    writeFileSync(path, pem.join(""));
    return path;
  }
});

/** The public key of a certificate or CSR, as openssl prints it. */
function publicKeyOf(file: string, kind: "x509" | "req"): string {
  return openssl(kind, "-in", file, ...(kind === "req" ? ["-inform", "DER"] : []), "-noout", "-pubkey");
}

/** Runs openssl, with bytes on its standard input if given; its standard output. Throws with what it said where it fails. */
function openssl(command: string, ...args: readonly (string | { readonly input: Uint8Array })[]): string {
  const words = args.filter((argument) => typeof argument === "string");
  const input = args.find((argument) => typeof argument !== "string")?.input;
  const result = spawnSync("openssl", [command, ...words], {
    encoding: "utf8",
    ...(input === undefined ? {} : { input }),
  });
  if (result.status !== 0) throw new Error(`openssl ${command} ${words.join(" ")}: ${result.stderr}${result.stdout}`);
  return result.stdout;
}
