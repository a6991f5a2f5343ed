// What the exit code of every command means; docs/cli.md repeats it.
import { IdentityClientError, ServerRefusal } from "../identity-client/index.ts";
import { MeshCaError } from "../runtime/index.ts";

export const EXIT = {
  ok: 0,
  /** Something failed on this side. */
  failed: 1,
  /** The command line, the configuration or a file given is wrong: mend it and run again. */
  usage: 2,
  /** The server refused: not allowed, not valid, not found. Running it again changes nothing. */
  refused: 3,
  /** The server or its database cannot be reached or is overloaded: try again later. */
  unavailable: 4,
} as const;

/** gRPC statuses after which trying again later can help: DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, UNAVAILABLE. */
const UNAVAILABLE_STATUSES: ReadonlySet<number> = new Set([4, 8, 10, 14]);
const UNAVAILABLE_CODES: ReadonlySet<string> = new Set([
  "MCA_SERVER_UNAVAILABLE",
  "MCA_DATABASE_UNAVAILABLE",
  "MCA_LEDGER_UNAVAILABLE",
]);
const USAGE =
  /^MCA_(?:CONFIG|CLI|CLIENT_OPTIONS|CLIENT_FILE|CLIENT_EVIDENCE|RULE_INVALID|TRUST_FILE|SPIFFE_ID|TRUST_DOMAIN)/;

/** The exit code that tells a script what kind of failure this is. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof ServerRefusal) {
    return UNAVAILABLE_STATUSES.has(error.grpcStatus) ? EXIT.unavailable : EXIT.refused;
  }
  if (!(error instanceof MeshCaError)) return EXIT.failed;
  if (UNAVAILABLE_CODES.has(error.code)) return EXIT.unavailable;
  if (error instanceof IdentityClientError && error.code === "MCA_SERVER_UNTRUSTED") return EXIT.refused;
  return USAGE.test(error.code) ? EXIT.usage : EXIT.failed;
}
