// Which exit code an error ends the program with.
import { IdentityClientError, ServerRefusal } from "../identity-client/index.ts";
import { MeshCaError } from "../runtime/index.ts";
import { EXIT } from "./exit-status.ts";

/** gRPC statuses after which trying again later can help: DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, UNAVAILABLE. */
const UNAVAILABLE_STATUSES: ReadonlySet<number> = new Set([4, 8, 10, 14]);
const UNAVAILABLE_CODES: ReadonlySet<string> = new Set([
  "MCA_SERVER_UNAVAILABLE",
  "MCA_DATABASE_UNAVAILABLE",
  "MCA_LEDGER_UNAVAILABLE",
]);
const USAGE =
  /^MCA_(?:CONFIG|CLI|CLIENT_OPTIONS|CLIENT_FILE|CLIENT_EVIDENCE|RULE_INVALID|ROTATION_IMPOSSIBLE|IMPORT|TRUST_FILE|SPIFFE_ID|TRUST_DOMAIN|PROXY_POLICY|PROXY_FILE|PROXY_FEDERATION|BUNDLE|PEM)/;

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
