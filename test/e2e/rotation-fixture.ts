// A server whose authorities follow each other in real time, and what its clients hold.
import type { TestContext } from "node:test";
import type { SvidSource } from "../../src/identity-client/index.ts";
import { bytesEqual } from "../../src/x509/index.ts";
import { QUICK_ROTATION } from "../support/quick-rotation.ts";
import { startTestServer, type TestServer } from "./fixture.ts";

const quotas = { lineage: { burst: 1000, perHour: 100_000 } };

/** Closed with the test. */
export async function startRotatingServer(
  t: TestContext,
  authority: Readonly<Record<string, unknown>> = {},
): Promise<TestServer> {
  const on = await startTestServer({ changes: { authority: { ...QUICK_ROTATION, ...authority }, quotas } });
  t.after(() => on.close());
  return on;
}

/** The key of the authority that signed what the source holds now, as far as the source knows that authority. */
export function issuerOf(source: SvidSource): string | undefined {
  const [leaf] = source.current().chain;
  const known = source.trust().authorities ?? [];
  return known.find(({ subject }) => leaf !== undefined && bytesEqual(subject, leaf.issuer))?.publicKey.spkiSha256;
}
