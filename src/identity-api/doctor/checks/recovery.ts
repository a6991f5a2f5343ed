// Nothing is issued while the database or the server is away, and workloads live on what they hold: at least half of a certificate's
// life, because they renew at about the half. Is that as long as recovery takes, by what the operators say of themselves?
import type { Queryable, SqlStatement } from "../../../ca/index.ts";
import { type Finding, ok, problem, skipped } from "../result.ts";
import { span } from "../span.ts";
import type { Check, DoctorWorld } from "../world.ts";

const RULES: SqlStatement = {
  name: "",
  text: "SELECT name, coalesce((definition ->> 'ttlSeconds')::bigint, 0) AS ttl FROM identity_rule ORDER BY name",
};

export const recoveryChecks: readonly Check[] = [
  {
    id: "recovery.leaf-lifetime",
    needs: "nothing",
    look: async ({ config }) =>
      judgeLifetimes(config, [["issuance.defaultTtlSeconds", config.issuance.defaultTtlSeconds]]),
  },
  { id: "recovery.rules", needs: "database", look: lookAtRules },
];

async function lookAtRules({ config }: DoctorWorld, tx: Queryable): Promise<readonly Finding[]> {
  const rules = await tx.query<{ name: string; ttl: bigint }>(RULES);
  const own = rules.filter(({ ttl }) => ttl > 0n);
  if (own.length === 0) return [ok("no rule has a lifetime of its own")];
  return judgeLifetimes(
    config,
    own.map(({ name, ttl }) => [`the rule ${name}`, Number(ttl)]),
  );
}

function judgeLifetimes(
  { operations }: DoctorWorld["config"],
  lifetimes: readonly (readonly [what: string, seconds: number])[],
): readonly Finding[] {
  const { recoveryTimeSeconds } = operations;
  if (recoveryTimeSeconds === null) {
    return [
      skipped(
        "operations.recoveryTimeSeconds is not stated.",
        "state how long recovery may take: operations.recoveryTimeSeconds",
      ),
    ];
  }
  const recovery = span(recoveryTimeSeconds * 1000);
  const short = lifetimes.filter(([, seconds]) => seconds / 2 < recoveryTimeSeconds);
  if (short.length === 0) return [ok(`half of a certificate's life lasts longer than recovery (${recovery})`)];
  return short.map(([what, seconds]) =>
    problem(
      "warning",
      `${what} gives certificates ${span(seconds * 1000)}: some workloads hold one for ${span(seconds * 500)} more when the server goes away`,
      `at least ${span(recoveryTimeSeconds * 2000)}, twice the stated recovery time of ${recovery}`,
      "raise the lifetime, or recover faster",
    ),
  );
}
