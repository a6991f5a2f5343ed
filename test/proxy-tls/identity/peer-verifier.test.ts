// The verdict about a peer is calculated once for the same certificates, and holds only while all of them are valid and trusted.
import assert from "node:assert/strict";
import { test } from "node:test";
import { PeerVerifier } from "../../../src/proxy-tls/identity/peer-verifier.ts";
import { SpiffeError, type SpiffeErrorCode } from "../../../src/spiffe/index.ts";
import type { TlsIdentity } from "../../../src/tls/index.ts";
import { type Certificate, decodePem, parseCertificate } from "../../../src/x509/index.ts";
import { TestDomain } from "../support/state.ts";

const world = new TestDomain("example.test");

function chainOf({ certificateChainPem }: TlsIdentity): Certificate[] {
  return decodePem(certificateChainPem).map(({ der }) => parseCertificate(der));
}

function refuses(work: () => unknown, code: SpiffeErrorCode): void {
  assert.throws(work, (error) => error instanceof SpiffeError && error.code === code);
}

test("the same certificates give the same peer", () => {
  const verifier = new PeerVerifier([world.trust()]);
  const chain = chainOf(world.identity("/a"));
  const now = Date.now();
  const peer = verifier.verify(chain, now);
  assert.equal(peer.idText, "spiffe://example.test/a");
  assert.equal(verifier.verify([...chain], now + 1), peer);
});

test("what was verified once expires at its second all the same, and is not valid before its time", () => {
  const verifier = new PeerVerifier([world.trust()]);
  const chain = chainOf(world.identity("/a"));
  const [leaf] = chain;
  assert.ok(leaf !== undefined);
  verifier.verify(chain, leaf.notAfter);
  refuses(() => verifier.verify(chain, leaf.notAfter + 1), "MCA_SVID_EXPIRED");
  refuses(() => verifier.verify(chain, leaf.notBefore - 1), "MCA_SVID_NOT_YET_VALID");
});

test("an authority above the leaf that has expired ends what was verified by it", () => {
  const now = Date.now();
  const short = new TestDomain("short.test", { notAfter: now + 60_000 });
  const verifier = new PeerVerifier([short.trust()]);
  const chain = chainOf(short.identity("/a", { notAfter: now + 3_600_000 }));
  verifier.verify(chain, now);
  refuses(() => verifier.verify(chain, now + 61_000), "MCA_SVID_UNTRUSTED");
});

test("the same leaf with other certificates beside it is judged anew", () => {
  // Another domain, known by its anchor alone: the intermediate has to be presented.
  const verifier = new PeerVerifier([world.trust({ authorities: undefined })]);
  const chain = chainOf(world.identity("/a"));
  verifier.verify(chain, Date.now());
  refuses(() => verifier.verify(chain.slice(0, 1), Date.now()), "MCA_SVID_UNTRUSTED");
});

test("other trust is another verifier, which knows nothing of the verdicts of the first", () => {
  const chain = chainOf(world.identity("/a"));
  new PeerVerifier([world.trust()]).verify(chain, Date.now());
  const authority = world.trust().authorities?.[0];
  assert.ok(authority !== undefined);
  const distrusted = world.trust({ distrustedSpkis: new Set([authority.publicKey.spkiSha256]) });
  refuses(() => new PeerVerifier([distrusted]).verify(chain, Date.now()), "MCA_SVID_UNTRUSTED");
});
