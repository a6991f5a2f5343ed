// An enterprise revokes the CA that signed our authority: by its CRL over http, the server stops within an interval, or goes on under a
// successor that does not contain what was revoked; clients are told to renew. An address that fails stops nothing.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { credentials } from "@grpc/grpc-js";
import { AuthorityServiceClient } from "../../src/proto/gen/meshca/identity/v1/authority.ts";
import {
  PublishedAuthority_State as State,
  type TrustSnapshot,
} from "../../src/proto/gen/meshca/identity/v1/identity.ts";
import { toHex } from "../../src/x509/index.ts";
import { chainPem, createIntermediate, createRoot, type TestCertificate } from "../support/pki.ts";
import { temporaryFolder } from "../support/postgres.ts";
import { createCrl, crlDistributionPointsExtension } from "../support/revocation.ts";
import {
  call,
  closeClients,
  connect,
  enrol,
  type Identity,
  local,
  readyz,
  refusal,
  renew,
  startTestServer,
  type TestServer,
  until,
} from "./fixture.ts";

/** An enterprise with a root, its CRL on a web server, and issuing CAs that name it. */
class Enterprise {
  readonly root = createRoot({ subject: "Enterprise Root" });
  readonly #revoked: TestCertificate[] = [];
  #number = 1;
  /** undefined: the web server answers with an error. */
  crl: Uint8Array | undefined;
  asked = 0;
  readonly #server = createServer((_request, response) => {
    this.asked++;
    if (this.crl === undefined) response.writeHead(500).end();
    else response.end(this.crl);
  });
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    this.publish();
  }

  async open(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/root.crl`;
  }

  issuing(name: string): TestCertificate {
    return createIntermediate(this.root, {
      subject: name,
      extraExtensions: [crlDistributionPointsExtension(this.url)],
    });
  }

  revoke(certificate: TestCertificate): void {
    this.#revoked.push(certificate);
    this.publish();
  }

  publish(): void {
    const revoked = this.#revoked.map(({ certificate: { serial } }) => ({ serial, reason: "cACompromise" as const }));
    this.crl = createCrl(this.root, { revoked, number: this.#number++ });
  }

  /** Mounts an issuing CA for the disk upstream. */
  mount(issuing: TestCertificate): void {
    writeFileSync(join(this.folder, "ca.pem"), chainPem(issuing, this.root));
    writeFileSync(join(this.folder, "ca.key"), issuing.keyPem, { mode: 0o600 });
  }
}

const INTERVAL_SECONDS = 1;
let enterprise: Enterprise;
before(async () => {
  enterprise = new Enterprise(await temporaryFolder());
  await enterprise.open();
});
after(() => {
  enterprise.close();
  closeClients();
});

function start(issuing: TestCertificate): Promise<TestServer> {
  enterprise.mount(issuing);
  return startTestServer({
    changes: {
      authority: {
        upstream: "disk",
        disk: { certificateFile: join(enterprise.folder, "ca.pem"), keyFile: join(enterprise.folder, "ca.key") },
        revocationCheck: { intervalSeconds: INTERVAL_SECONDS },
        refreshHintSeconds: 1,
        propagationFloorSeconds: 1,
        rotatorTickSeconds: 1,
      },
    },
  });
}

/** What a client that follows is told now. */
function snapshot(on: TestServer): Promise<TrustSnapshot> {
  const stream = local(on.server).identity.watchTrust({ trustDomain: "" });
  return new Promise((resolve, reject) => {
    stream.on("error", reject);
    stream.once("data", ({ update }) => {
      if (update?.$case !== "snapshot") reject(new Error("the first message is no snapshot"));
      else resolve(update.value);
      stream.on("error", () => {});
      stream.cancel();
    });
  });
}

const statesOf = (trust: TrustSnapshot): readonly State[] => trust.authorities.map(({ state }) => state);

async function goesOn(on: TestServer, identity: Identity): Promise<void> {
  await renew(connect(on.address, identity));
}

test("the enterprise revokes the issuing CA: nothing is issued within an interval, and why is said", async () => {
  const issuing = enterprise.issuing("Issuing CA 1");
  const on = await start(issuing);
  try {
    const identity = await enrol(on, "cart");
    await until(() => enterprise.asked >= 2, "the CRL was asked twice");
    await goesOn(on, identity);
    enterprise.revoke(issuing);
    const { asked } = enterprise;
    await until(async () => (await readyz(on)).status === 503, "the server is not ready");
    // An answer may have been on its way when it was revoked; the next one stops the server, whatever time the machine takes for that.
    assert.ok(enterprise.asked - asked <= 2, `the CRL was asked ${enterprise.asked - asked} times meanwhile`);
    const error = await refusal(goesOn(on, identity));
    assert.equal(error.code, 14);
    const reason = (await readyz(on)).body.reasons.find(({ code }) => code === "MCA_AUTHORITY_UPSTREAM_REVOKED");
    assert.ok(reason !== undefined, JSON.stringify(await readyz(on)));
    assert.ok(reason.sentence.includes(issuing.certificate.serialHex), reason.sentence);
    assert.ok(reason.sentence.includes("CN=Enterprise Root"), reason.sentence);
    assert.ok(reason.sentence.includes(enterprise.url), reason.sentence);
    assert.match(reason.sentence, /cACompromise/);
    assert.match(reason.sentence, /npx mesh-ca authority/);
    const trust = await snapshot(on);
    assert.deepEqual(statesOf(trust), [State.STATE_TAINTED]);
    assert.ok(trust.renewNow !== undefined);
    assert.equal(on.log.of("authority.upstream_revoked").length, 1);
    await on.stop();
    const again = await startTestServer({ again: on });
    try {
      assert.equal((await readyz(again)).status, 503);
    } finally {
      await again.stop();
    }
  } finally {
    await on.close();
  }
});

test("with a successor by another issuing CA, that one takes over and clients under the old one are told to renew", async () => {
  const first = enterprise.issuing("Issuing CA 2");
  const second = enterprise.issuing("Issuing CA 3");
  const on = await start(first);
  try {
    const identity = await enrol(on, "shop");
    enterprise.mount(second);
    const authorities = new AuthorityServiceClient(`unix:${on.server.adminSocket}`, credentials.createInsecure());
    const prepared = await call(authorities, authorities.prepareAuthority, { recover: false, changeUpstream: false });
    authorities.close();
    // Longer than the propagation time: five hints.
    await new Promise((resolve) => setTimeout(resolve, 6000));
    enterprise.revoke(first);
    await until(async () => (await snapshot(on)).renewNow !== undefined, "clients are told to renew");
    const trust = await snapshot(on);
    const active = trust.authorities.find(({ state }) => state === State.STATE_ACTIVE);
    assert.equal(toHex(active?.spkiSha256 ?? new Uint8Array()), prepared.spkiSha256);
    const tainted = trust.authorities.find(({ state }) => state === State.STATE_TAINTED);
    assert.deepEqual(trust.renewNow?.authoritySpkiSha256, tainted?.spkiSha256);
    const renewed = await renew(connect(on.address, identity));
    assert.deepEqual(
      renewed.response.certificateChain[1]?.toString(),
      active?.certificate.toString(),
      "the new certificate is under the successor",
    );
    assert.equal((await readyz(on)).status, 200);
  } finally {
    await on.close();
  }
});

test("a CRL that cannot be had, is broken or signed by others stops nothing, and is noted in /readyz and /metrics", async () => {
  const issuing = enterprise.issuing("Issuing CA 4");
  const on = await start(issuing);
  const stranger = createRoot({ subject: "Enterprise Root" });
  try {
    const identity = await enrol(on, "till");
    const spoilt: readonly (readonly [Uint8Array | undefined, string, RegExp])[] = [
      [undefined, "unreachable", /status 500/],
      [Buffer.from("<html>"), "unusable", /cannot be read/],
      [createCrl(stranger, { revoked: [{ serial: issuing.certificate.serial }] }), "unusable", /cannot be used/],
    ];
    for (const [crl, state, sentence] of spoilt) {
      enterprise.crl = crl;
      await until(async () => {
        const { status, body } = await readyz(on);
        const { notes } = body as unknown as { notes: readonly { about: string; sentence: string }[] };
        return (
          status === 200 && notes.some((note) => note.about.includes(enterprise.url) && sentence.test(note.sentence))
        );
      }, `a note says ${sentence}`);
      const { host, port } = on.server.addresses.operations;
      const metrics = await (await fetch(`http://${host}:${port}/metrics`)).text();
      assert.match(metrics, new RegExp(`mesh_ca_upstream_revocation_check{state="${state}"} 1`));
      await goesOn(on, identity);
    }
    enterprise.publish();
    await until(async () => {
      const { body } = await readyz(on);
      return (body as unknown as { notes: readonly unknown[] }).notes.length === 0;
    }, "the note is gone");
  } finally {
    enterprise.publish();
    await on.close();
  }
});
