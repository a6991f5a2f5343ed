// Authorities for people: one line each, then what waits and who lags behind.
import {
  type Authority,
  type ListAuthoritiesResponse,
  Authority_State as State,
} from "../proto/gen/meshca/identity/v1/authority.ts";
import { hint, print, table, time } from "./output.ts";

/** Enough to tell authorities apart, and more than the commands ask for. */
const SHOWN_DIGITS = 16;

const STATES: Readonly<Record<number, string>> = {
  [State.STATE_REQUESTED]: "requested",
  [State.STATE_PREPARED]: "prepared",
  [State.STATE_ACTIVE]: "active",
  [State.STATE_RETIRED]: "retired",
  [State.STATE_TAINTED]: "tainted",
  [State.STATE_REVOKED]: "revoked",
  [State.STATE_REMOVED]: "removed",
};

/** Prints what ListAuthorities answered. */
export function printAuthorities(found: ListAuthoritiesResponse): void {
  const rows = found.authorities.map((authority) => [
    authority.spkiSha256.slice(0, SHOWN_DIGITS),
    STATES[authority.state] ?? "unknown",
    String(authority.replica),
    authority.upstream,
    time(authority.endsAt),
    next(authority),
    authority.path.join(" < "),
    authority.transitions.at(-1)?.cause ?? "-",
  ]);
  print(table(["AUTHORITY", "STATE", "REPLICA", "UPSTREAM", "ENDS", "SIGNS FROM", "PATH", "CAUSE"], rows));
  if (found.requests.length > 0) {
    const waiting = found.requests.map(({ spkiSha256, createdAt, cause }) => [
      spkiSha256.slice(0, SHOWN_DIGITS),
      time(createdAt),
      cause,
    ]);
    print(`\n${table(["WAITS FOR A SIGNATURE", "SINCE", "CAUSE"], waiting)}`);
  }
  if (found.laggingWatchers.length > 0) {
    const lagging = found.laggingWatchers.map(({ peer, address, acknowledgedRevision, since }) => [
      peer,
      address,
      acknowledgedRevision === 0n ? "-" : String(acknowledgedRevision),
      time(since),
    ]);
    print(`\n${table(["HAS NOT ACKNOWLEDGED", "ADDRESS", "REVISION", "SINCE"], lagging)}`);
  }
  hint(
    `revision ${found.revision}; ${found.laggingWatcherCount} of ${found.watcherCount} clients that follow this replica have not acknowledged it`,
  );
  if (found.problem !== "") hint(`${found.problem} (${found.problemCode})`);
}

function next({ state, activatesAt, activatedAt }: Authority): string {
  if (state === State.STATE_PREPARED) return time(activatesAt);
  return activatedAt === undefined ? "-" : time(activatedAt);
}
