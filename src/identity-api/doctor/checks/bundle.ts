// The trust bundle: its sequence number only grows, and what the running server tells is what the database holds.
import { PUBLISHED_STATES_SQL, type Queryable, type SqlStatement } from "../../../ca/index.ts";
import { toHex } from "../../../x509/index.ts";
import { type Finding, ok, problem, skipped } from "../result.ts";
import { inSnapshot } from "../snapshot.ts";
import type { Check, DoctorWorld } from "../world.ts";

const STORED: SqlStatement = {
  name: "",
  text: `SELECT revision, bundle_sequence,
      ARRAY(SELECT spki_sha256 FROM authority WHERE state IN (${PUBLISHED_STATES_SQL})) AS published
    FROM trust_state`,
};
/** The first authority waits for its signature: there is no trust yet. */
const FIRST_REQUEST: SqlStatement = {
  name: "",
  text: "SELECT spki_sha256 AS spki FROM authority WHERE state = 'requested' LIMIT 1",
};
/** Entries of changes of trust stand next to those of the transitions that made them. */
const NEAR_TRANSITIONS: SqlStatement = {
  name: "",
  text: `SELECT max((convert_from(e.bytes, 'UTF8')::jsonb ->> 'sequence')::bigint) AS sequence
    FROM (SELECT log_index FROM authority_transition ORDER BY id DESC LIMIT 50) t
    JOIN ledger_entry e ON e.log_index BETWEEN t.log_index AND t.log_index + 4
    WHERE convert_from(e.bytes, 'UTF8')::jsonb ->> 'kind' = 'bundle.changed'`,
};
/** A server hears of a change within a second. */
const LATE_MS = 2_500;

interface Stored {
  readonly revision: bigint;
  readonly bundle_sequence: bigint;
  readonly published: readonly Uint8Array[];
}

export const bundleChecks: readonly Check[] = [
  {
    id: "bundle.sequence",
    needs: "database",
    look: async (_world, tx) => {
      const stored = await storedIn(tx);
      if (stored === undefined) {
        const [waiting] = await tx.query<{ spki: Uint8Array }>(FIRST_REQUEST);
        if (waiting !== undefined) return [skipped("Nothing is published before the first authority is signed.")];
        return [problem("failed", "no trust state in the database", "one", "npx mesh-ca init")];
      }
      const [recorded] = await tx.query<{ sequence: bigint | null }>(NEAR_TRANSITIONS);
      const sequence = stored.bundle_sequence;
      if (recorded?.sequence != null && recorded.sequence > sequence) {
        const expected = `at least ${recorded.sequence}, which the ledger has recorded`;
        const found = `the bundle's sequence is ${sequence}`;
        return [
          problem("failed", found, expected, "the row trust_state is older than the ledger: docs/disaster-recovery.md"),
        ];
      }
      return [ok(`sequence ${sequence}, revision ${stored.revision}; the ledger knows no later one`)];
    },
  },
  { id: "bundle.served", needs: "server", look: lookAtServed },
];

async function lookAtServed(world: DoctorWorld): Promise<readonly Finding[]> {
  const { database, server } = world;
  if (database.kind === "absent") return [skipped("The database was not looked at: see database.reachable.")];
  if (server.kind === "stopped") return [skipped(server.why)];
  // The database first: what the server tells afterwards must not be older.
  const stored = await inSnapshot(database.database, storedIn);
  const told = await server.trust();
  if (told === undefined)
    return [
      problem("failed", "the server tells nothing of its trust", "a WatchTrust snapshot", "read the server's log"),
    ];
  if (stored === undefined) return [skipped("There is no trust state in the database: see bundle.sequence.")];
  if (told.revision < stored.revision) {
    await new Promise((resolve) => setTimeout(resolve, LATE_MS));
    const again = await server.trust();
    if (again === undefined || again.revision < stored.revision) {
      const found = `the server tells revision ${again?.revision ?? told.revision}, sequence ${told.sequence}`;
      const expected = `revision ${stored.revision}, sequence ${stored.bundle_sequence}, as the database holds them`;
      return [problem("failed", found, expected, "restart the server; is it really on this database?")];
    }
    return [ok(`the server tells revision ${again.revision}, as the database holds it`)];
  }
  const missing = stored.published
    .map(toHex)
    .filter((spki) => !told.authorities.some((each) => toHex(each.spkiSha256) === spki));
  if (told.revision === stored.revision && missing.length > 0) {
    const found = `the server does not tell of the authorities ${missing.join(", ")}`;
    return [
      problem("failed", found, "every published authority", "restart the server; is it really on this database?"),
    ];
  }
  return [ok(`the server tells revision ${told.revision}, sequence ${told.sequence}, as the database holds them`)];
}

async function storedIn(tx: Queryable): Promise<Stored | undefined> {
  return (await tx.query<Stored>(STORED))[0];
}
