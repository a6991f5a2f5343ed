// What the parts of a server say of themselves, for /readyz, health and metrics: reasons keep it from issuing, notes do not.
import type { AuthorityManager, Issuer, Ledger } from "../ca/index.ts";
import type { Attestors } from "./attest/index.ts";
import { notIssuing } from "./parts.ts";
import { type Readiness, type Reason, reasonFor } from "./readiness.ts";
import type { Registry } from "./registry/index.ts";
import type { ServerBase } from "./server-base.ts";

/** What keeps this server from issuing. */
export function watchReadiness(
  readiness: Readiness,
  parts: {
    readonly authorities: AuthorityManager;
    readonly ledger: Ledger;
    readonly registry: Registry;
    readonly issuer: Issuer;
  },
): void {
  readiness.add(() => {
    const health = parts.authorities.health();
    return health.kind === "ready" ? undefined : { ...health, sentence: notIssuing(health).message };
  });
  readiness.add((): Reason | undefined => {
    const { writable, reason } = parts.ledger.health();
    return writable
      ? undefined
      : { code: "MCA_LEDGER_UNAVAILABLE", sentence: reason ?? "The ledger takes no records." };
  });
  readiness.add(() => {
    const health = parts.registry.health();
    return health.kind === "ready" ? undefined : health;
  });
  readiness.add(() => {
    const problem = parts.issuer.clockProblem();
    return problem === undefined ? undefined : reasonFor(problem);
  });
}

/** What is wrong with an attestor keeps only its own callers out: told and counted, but the server stays ready. */
export function watchAttestors(attestors: Attestors, { readiness, telemetry }: ServerBase): void {
  readiness.addNotes(() =>
    attestors.health().flatMap(({ attestor, problem }) => {
      return problem === undefined ? [] : [{ about: `attestor ${attestor}`, sentence: problem }];
    }),
  );
  telemetry.metrics.gauge(
    "mesh_ca_attestor_problem",
    { description: "1 while the attestor cannot do its work; /readyz tells why." },
    () =>
      attestors.health().map(({ attestor, kind, problem }) => {
        return { value: problem === undefined ? 0 : 1, attributes: { attestor, kind } };
      }),
  );
}

/** What will matter, although nothing has stopped: requests that wait for people, a rotation that is late. */
export function watchAuthorities(authorities: AuthorityManager, { readiness }: ServerBase): void {
  readiness.addNotes(() => authorities.notes());
}
