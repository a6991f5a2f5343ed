// The database: does it answer, is it ours, is its schema this program's, does its clock agree with this machine's, and could
// somebody between us and it read along?
import { checkSchema, type SqlStatement, trustDomainOf } from "../../../ca/index.ts";
import { MeshCaError } from "../../../runtime/index.ts";
import { type Finding, ok, problem } from "../result.ts";
import type { Check, DoctorWorld } from "../world.ts";

const TLS_OF_SESSION: SqlStatement = {
  name: "",
  text: "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()",
};
const LOOPBACK = /^(localhost|127\.\d+\.\d+\.\d+|::1)$/;

export const databaseChecks: readonly Check[] = [
  {
    id: "database.reachable",
    needs: "nothing",
    look: async ({ database }) => [database.kind === "open" ? ok(`${database.how} answers`) : database.finding],
  },
  {
    id: "database.schema",
    needs: "database",
    look: async (_world, tx) => {
      try {
        await checkSchema(tx);
        return [ok("the schema is the one that this program knows")];
      } catch (error) {
        if (!(error instanceof MeshCaError)) throw error;
        return [problem("failed", error.message, "the schema of this program", "npx mesh-ca db migrate")];
      }
    },
  },
  {
    id: "database.trust-domain",
    needs: "database",
    look: async ({ config }, tx) => {
      const record = await trustDomainOf(tx);
      if (record?.trustDomain === config.trustDomain) return [ok(`the database belongs to ${record.trustDomain}`)];
      const found = record === undefined ? "a database of no trust domain" : `the database of ${record.trustDomain}`;
      const command = record === undefined ? "npx mesh-ca init" : "set trustDomain, or the database, to the right one";
      return [problem("failed", found, `the database of ${config.trustDomain}`, command)];
    },
  },
  { id: "database.clock", needs: "nothing", look: lookAtClocks },
  {
    id: "database.tls",
    needs: "database",
    look: async ({ config, database }, tx) => {
      const [session] = await tx.query<{ ssl: boolean; version: string | null }>(TLS_OF_SESSION);
      const tls = session?.ssl === true ? (session.version ?? "TLS") : undefined;
      const host = database.kind === "open" ? database.host : undefined;
      return [judgeTransport({ tls, host, asked: config.database.tls })];
    },
  },
];

async function lookAtClocks({ database, clock, config }: DoctorWorld): Promise<readonly Finding[]> {
  if (database.kind === "absent")
    return [{ status: "skipped", found: "The database was not looked at: see database.reachable." }];
  const before = clock.now();
  const theirs = await database.database.databaseNow();
  const after = clock.now();
  return [judgeClocks(theirs - (before + after) / 2, (after - before) / 2, config.issuance.maxClockDifferenceSeconds)];
}

/** `differenceMs`: the database's clock minus ours; `doubtMs`: how far off that may be. */
export function judgeClocks(differenceMs: number, doubtMs: number, limitSeconds: number): Finding {
  const apart = Math.max(0, Math.abs(differenceMs) - doubtMs) / 1000;
  const found = `the database's clock is ${(Math.abs(differenceMs) / 1000).toFixed(3)} s ${differenceMs < 0 ? "behind" : "ahead"} (give or take ${(doubtMs / 1000).toFixed(3)} s)`;
  const command = "timedatectl status, here and on the database's machine";
  if (apart > limitSeconds) {
    return problem("failed", found, `at most ${limitSeconds} s; nothing is issued beyond`, command);
  }
  if (apart > limitSeconds / 4) return problem("warning", found, `far less than ${limitSeconds} s`, command);
  return ok(found);
}

interface Transport {
  /** TLS version of this session; undefined without TLS. */
  readonly tls: string | undefined;
  /** The database's host; undefined for a Unix socket. */
  readonly host: string | undefined;
  readonly asked: string;
}

export function judgeTransport({ tls, host, asked }: Transport): Finding {
  if (host === undefined) return ok("a Unix socket: the file system guards it");
  if (tls !== undefined && asked === "verify-full") return ok(`${tls} to ${host}, certificate and name verified`);
  const command = "database.tls: verify-full, with database.caFile if its CA is not public";
  if (LOOPBACK.test(host)) {
    return problem("warning", `an unprotected connection to ${host}`, "a Unix socket or TLS", command);
  }
  return problem(
    "failed",
    `an unprotected connection to ${host}: who is between can read and change everything`,
    "TLS, verified",
    command,
  );
}
