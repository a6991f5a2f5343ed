// Leaves of the real present, judged by Node's TLS over real sockets with the bundle of clients that followed WatchTrust: before, during
// and after rotations and a change of the enterprise's root, for each upstream. The simulated year (test/ca/authority/year-*.test.ts) has
// every moment and our own verifier; Node's TLS cannot be told the time.
import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, type TestContext, test } from "node:test";
import { connect, createServer } from "node:tls";
import { type Svid, SvidSource } from "../../src/identity-client/index.ts";
import {
  CreateAuthorityRequestRequest,
  ImportAuthorityRequest,
  Authority_State as State,
} from "../../src/proto/gen/meshca/identity/v1/authority.ts";
import type { TrustSet } from "../../src/spiffe/index.ts";
import { encodePem } from "../../src/x509/index.ts";
import { Enterprise } from "../support/enterprise.ts";
import { chainPem } from "../support/pki.ts";
import { temporaryFolder } from "../support/postgres.ts";
import { authoritiesOf, call, closeClients, createToken, local, type TestServer, until } from "./fixture.ts";
import { startRotatingServer } from "./rotation-fixture.ts";

after(closeClients);

/** What differs between the upstreams. */
interface Upstream {
  readonly on: TestServer;
  /** Each authority is its own root. */
  readonly ownRoots?: boolean;
  /** A successor is to take over. With `newRoot` the enterprise has another root from now on. */
  rotate(options: { readonly newRoot: boolean }): Promise<void>;
}

describe("Node's TLS accepts every leaf of the present", { concurrency: true }, () => {
  test("self-signed", { timeout: 110_000 }, async (t) => {
    const on = await startRotatingServer(t);
    await live(t, { on, ownRoots: true, rotate: () => force(on) });
  });

  test("disk", { timeout: 110_000 }, async (t) => {
    const folder = await temporaryFolder();
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const [certificateFile, keyFile] = [join(folder, "ca.pem"), join(folder, "ca.key")];
    const put = ({ issuing, root }: Enterprise): void => {
      writeFileSync(keyFile, issuing.keyPem, { mode: 0o600 });
      writeFileSync(certificateFile, chainPem(issuing, root));
    };
    put(new Enterprise({ now: Date.now() }));
    const on = await startRotatingServer(t, { upstream: "disk", disk: { certificateFile, keyFile } });
    await live(t, {
      on,
      rotate: async ({ newRoot }) => {
        if (newRoot) put(new Enterprise({ now: Date.now(), name: "New Corp" }));
        await force(on);
      },
    });
  });

  test("offline", { timeout: 110_000 }, async (t) => {
    const on = await startRotatingServer(t, { upstream: "offline" });
    let enterprise = new Enterprise({ now: Date.now() });
    const { authorities } = local(on.server);
    const bringIn = async (): Promise<void> => {
      const request = CreateAuthorityRequestRequest.fromPartial({});
      const made = await call(authorities, authorities.createAuthorityRequest, request);
      const files = enterprise
        .answer(made.request?.csr ?? new Uint8Array(), Date.now(), 90)
        .map(({ name, bytes: content }) => ({ name, content }));
      const message = ImportAuthorityRequest.fromPartial({ files });
      const { outcome } = await call(authorities, authorities.importAuthority, message);
      assert.equal(outcome?.$case, "accepted", JSON.stringify(outcome));
    };
    await bringIn();
    await until(() => on.server.addresses.grpc !== undefined, "the TLS port is open");
    await live(t, {
      on,
      rotate: async ({ newRoot }) => {
        if (newRoot) enterprise = new Enterprise({ now: Date.now(), name: "New Corp" });
        await bringIn();
        await force(on);
      },
    });
  });
});

/** Lives through a rotation and one in which the enterprise's root changes; whatever is valid verifies for everybody. */
async function live(t: TestContext, { on, ownRoots = false, rotate }: Upstream): Promise<void> {
  const [cart, web] = [await enrolled(t, on, "cart"), await enrolled(t, on, "web")];
  const valid: Svid[] = [cart.current(), web.current()];
  const everybodyAcceptsAll = async (): Promise<void> => {
    for (const trust of [cart.trust(), web.trust()]) {
      for (const svid of valid) assert.equal(await verdict(svid, web.current(), trust), "ok");
    }
  };
  await everybodyAcceptsAll();
  for (const newRoot of [false, true]) {
    const before = cart.trust();
    const active = await activeOf(on);
    await rotate({ newRoot });
    // Published, and not signing yet; then it signs, and nobody has renewed; then everybody has.
    await until(
      () => [cart, web].every((source) => source.trust().authorities?.length === (before.authorities?.length ?? 0) + 1),
      "the clients know the successor",
    );
    await everybodyAcceptsAll();
    await until(async () => (await activeOf(on)) !== active, "the successor signs");
    await everybodyAcceptsAll();
    valid.push(await cart.renew(), await web.renew());
    await everybodyAcceptsAll();
    // And Node does judge: who did not follow refuses what a root signed that is new to him.
    const isNewAnchor = cart.trust().anchors.length > before.anchors.length;
    assert.equal(isNewAnchor, newRoot || ownRoots);
    const stranger = await verdict(cart.current(), web.current(), before);
    assert.equal(stranger === "ok", !isNewAnchor, stranger);
  }
}

/** A TLS handshake over a socket: both show what they have, both judge it by these anchors alone. "ok", or OpenSSL's reason. */
async function verdict(serving: Svid, calling: Svid, { anchors }: TrustSet): Promise<string> {
  const ca = anchors.map(({ der }) => encodePem("CERTIFICATE", der));
  const shown = ({ chainPem: cert, keyPem: key }: Svid) => ({ cert, key, ca });
  const server = createServer({ ...shown(serving), requestCert: true, rejectUnauthorized: false }, (socket) => {
    socket.on("error", () => {});
    socket.end(socket.authorized ? "ok" : String(socket.authorizationError));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const { port } = address;
  try {
    return await new Promise<string>((resolve, reject) => {
      const client = connect({
        ...{ host: "127.0.0.1", port, ...shown(calling) },
        rejectUnauthorized: false,
        // The chain is judged, not a name.
        checkServerIdentity: () => undefined,
      });
      let said = "";
      client.setEncoding("utf8");
      client.on("data", (text: string) => {
        said += text;
      });
      client.once("end", () => resolve(client.authorized ? said : String(client.authorizationError)));
      client.once("error", reject);
    });
  } finally {
    server.close();
  }
}

async function force(on: TestServer): Promise<void> {
  const { authorities } = local(on.server);
  await call(authorities, authorities.rotateAuthority, {});
}

async function activeOf(on: TestServer): Promise<string | undefined> {
  return (await authoritiesOf(on.server)).authorities.find(({ state }) => state === State.STATE_ACTIVE)?.spkiSha256;
}

async function enrolled(t: TestContext, on: TestServer, service: string): Promise<SvidSource> {
  const joinToken = { text: await createToken(on.server, { service }) };
  const source = await SvidSource.start({ joinToken, memoryOnly: true });
  t.after(() => source.close());
  return source;
}
