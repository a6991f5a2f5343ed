// What the role of the application may do in the database: read, and add to the ledger. Whoever may change or remove a record
// with the rights that the server works with could rewrite who spoke as whom.
import type { SqlStatement } from "../../../ca/index.ts";
import { type Finding, ok, problem } from "../result.ts";
import type { Check } from "../world.ts";

const ROLE = "mesh_ca_app";
/** The ledger with all its partitions: each has rights of its own. */
const LEDGER_TABLES = [
  "ledger_head",
  "ledger_entry",
  "serial",
  "issuance",
  "outcome",
  "authority_transition",
  "trust_domain",
];

const RIGHTS: SqlStatement = {
  name: "",
  text: `WITH RECURSIVE part AS (
    SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE n.nspname = 'public' AND c.relname = ANY($1::text[])
    UNION SELECT i.inhrelid FROM pg_inherits i JOIN part ON part.oid = i.inhparent)
  SELECT oid::regclass::text AS relation, p.name AS privilege
  FROM part CROSS JOIN unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS p (name)
  WHERE has_table_privilege($2, oid, p.name)
  ORDER BY 1, 2`,
};

const LOGIN: SqlStatement = {
  name: "",
  text: `SELECT session_user::text AS login, r.rolsuper AS superuser,
      (SELECT bool_or(pg_has_role(session_user, c.relowner, 'USAGE')) FROM pg_class c
        WHERE c.relname = 'ledger_entry' AND c.relnamespace = 'public'::regnamespace) AS owner
    FROM pg_roles r WHERE r.rolname = session_user`,
};

interface Right {
  readonly relation: string;
  readonly privilege: string;
}

export const privilegeChecks: readonly Check[] = [
  {
    id: "database.privileges",
    needs: "database",
    look: async ({ config }, tx) => {
      const findings: Finding[] = [];
      const rights = await tx.query<Right>(RIGHTS, [LEDGER_TABLES, ROLE]);
      for (const { relation, privilege } of rights) {
        const command = `as the owner: REVOKE ${privilege} ON ${relation} FROM ${ROLE}, PUBLIC`;
        findings.push(
          problem(
            "failed",
            `${ROLE} may ${privilege} ${relation}`,
            "a ledger that the server can only add to",
            command,
          ),
        );
      }
      const embedded = config.database.url === null && config.database.urlFile === null;
      const [login] = await tx.query<{ login: string; superuser: boolean; owner: boolean | null }>(LOGIN);
      // The embedded database is the data directory's: whoever can open it can do everything anyway.
      if (!embedded && login !== undefined && (login.superuser || login.owner === true)) {
        const what = login.superuser ? "a superuser" : "the owner of the ledger's tables";
        const command = `give the server a login of its own: CREATE ROLE mesh_ca_server LOGIN IN ROLE ${ROLE}`;
        findings.push(
          problem("warning", `the server logs in as ${login.login}, ${what}`, `a login that is only ${ROLE}`, command),
        );
      }
      return findings.length > 0
        ? findings
        : [ok(`${ROLE} may add to the ledger, and not change or remove what is in it`)];
    },
  },
];
