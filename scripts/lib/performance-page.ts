// docs/performance.md: the prose, and the figures of the last whole bench as `npm run bench -- --json docs/figures.json` wrote them.
// Budgets come from the bench itself, so that page and exit code cannot disagree.
import { budgets, leastBudgets, promise } from "../../test/bench/report.ts";
import { parseReport, type Report, runsOf } from "../../test/bench/report-file.ts";
import { proxyPart } from "./performance-proxy.ts";

/** What each figure is, for people. A figure without a line here is listed by its name alone. */
const MEANING: ReadonlyMap<string, string> = new Map([
  ["svid.node_cpu_floor_ratio", "Node CPU for each issued and recorded certificate, as a multiple of the floor"],
  ["svid.total_cpu_floor_ratio", "the same with PostgreSQL's CPU"],
  ["svid.node_cpu_us", "Node CPU for each certificate"],
  ["svid.postgres_cpu_us", "PostgreSQL's CPU for each certificate"],
  ["ledger.commit_p50_ms", "median time of the ledger's commit under that load"],
  ["start.first_certificate_s", "from the start of the process to the first certificate, on a warm data directory"],
  ["memory.idle_mb", "resident memory of the Node process, idle"],
  ["memory.loaded_mb", "the same under load"],
  ["memory.growth_mb", "growth of that over the whole run"],
  ["authority.unchanged_p50_latency_ms", "a renewal under 500 a second, while nothing changes: median"],
  ["authority.unchanged_p99_latency_ms", "the same, 99th percentile"],
  ["authority.unchanged_max_latency_ms", "the same, the slowest: the noise of the machine"],
  ["authority.import_p50_latency_ms", "a renewal while a chain is imported and activated: median"],
  ["authority.import_p99_latency_ms", "the same, 99th percentile"],
  ["authority.import_max_latency_ms", "the same, the slowest"],
  ["authority.rotate_p50_latency_ms", "a renewal while the active authority is rotated: median"],
  ["authority.rotate_p99_latency_ms", "the same, 99th percentile"],
  ["authority.rotate_max_latency_ms", "the same, the slowest"],
  ["authority.change_failed_calls", "calls that failed in both"],
  ["authority.change_calls", "calls that were due during changes"],
  ["proxy.handshake_ratio", "a mutual TLS handshake on a connection that then closes, verified and counted"],
  ["proxy.l4_ratio", "480 bytes there and back over a tcp listener"],
  ["proxy.http1_ratio", "an HTTP/1.1 call over a kept connection"],
  ["proxy.http2_ratio", "an HTTP/2 call, HTTP/2 to the target as well"],
  ["proxy.aged_http1_ratio", "an HTTP/1.1 call, once thousands of connections have come and gone on both sides"],
  ["proxy.bulk_ratio", "megabytes for each CPU second, up and down, the worse of tcp and HTTP/1.1"],
  [
    "proxy.added_p50_ms",
    "median of one call at a time, less that of the same call straight to the backend in plaintext",
  ],
  ["proxy.http1_haproxy_us", "CPU for the same of HAProxy: see above for what it does"],
  ["proxy.http1_nginx_us", "of nginx"],
  ["proxy.http2_haproxy_us", "of HAProxy, HTTP/2 to the target as well"],
  ["proxy.http2_nginx_us", "of nginx, which goes on as HTTP/1.1"],
  ["proxy.idle_kb_l4", "resident memory for each idle connection of a tcp listener, its target's connection included"],
  ["proxy.idle_kb_http", "the same of an http listener, after one call each"],
  ["proxy.loaded_mb", "resident memory under load"],
  ["proxy.growth_mb", "growth of that from a fifth of the run on"],
  ["proxy.change_failed_calls", "calls that failed while certificates and policies were replaced"],
  ["proxy.change_bulk_mb", "bodies that passed meanwhile with the same SHA-256"],
]);

const BEFORE = `# Performance

<!-- Made by \`npm run generate\` from docs/figures.json. Do not edit by hand. -->

Machines differ, so the budgets are ratios within one run. The unit, the **floor**, is what no issuer can do without: one P-256
verification (the CSR's proof of possession) plus one P-256 signature (the certificate), by node:crypto on the same machine in the
same minute.

## The load

\`npm run bench\` starts the server from \`dist/\` with its own PostgreSQL and everything as shipped but for the quotas. A client in a process
of its own holds 64 mTLS connections and keeps 32 calls in flight; each call renews by the certificate that the one before it gave, so
that lineages, rules, quotas, ledger entries, outcomes, metrics and log lines are all part of it. Only the server's CPU counts. The whole run
issues more than 200,000 certificates; \`npm run bench -- --short\` takes less than two minutes, and its figures are rougher.

## The authority changes under load

\`npm run bench -- --only authority\` measures what callers notice. The 64 workloads renew 500 times a second over mTLS and follow WatchTrust.
Calls are due at that rate whatever becomes of those before (open loop), and a latency counts from the moment that the call was due: a
server that stood still for 100 ms would show in fifty calls. Meanwhile a chain that an RSA enterprise signed is imported and activated
(once by waiting until everybody knows it, once at once), and the authority under an issuing CA on disk is rotated: a new key, a
probe, the bundle, the streams, the hand-over. Keys are sealed with a passphrase, which costs half a second of a core for each new key.
Server, PostgreSQL and load share the machine: on the two cores below the slowest call of a change lies mostly between 40 and 100 ms, of ten
seconds without a change between 50 and 75 ms, and either can be more when something else runs there.

`;

const AFTER = `
## Others

Measured on one machine in the same unit: CPU of the server alone for one P-256 certificate. Istio's CA 2.6 and SPIRE 4.9, which record
nothing; step-ca 8.2 by token and 3.3 by renewal, OpenBao 11.5, which store after they sign. They are good programs that do more than
issue certificates; the comparison is about this one operation.

## Where the time goes

Verification and signature are the floor. Beside them: HTTP/2 and gRPC, building and linting the certificate, the
canonical ledger entry with its hash, the database's protocol, the outcome, one log line and a few counters. \`node
test/bench/issuance-steps.ts\` measures the issuing steps one by one; \`npm run bench -- --profile DIR\` writes a CPU profile of the server
under load.

A first enrolment costs more than a renewal: a TLS handshake with a new connection is worth several floors. Herds are bounded by
handshakes, not by issuance.

## Reading the record

A question by SPIFFE ID or lineage is answered from the index of SPIFFE IDs, one by requester from that of requesters, one by authority
from the blocks that it signed in; a serial from the table of serials. Time windows and "valid at" use what each block of 4,096 entries
holds, so that the blocks that cannot matter are not read.
\`audit list\` answers at most 1,000 rows a page, by cursor.

Measured on two million issuances of 20,000 workloads in two partitions (2 cores, other work beside it; median of 20 pages of 100
rows, two statements each): by SPIFFE ID 3 ms, by prefix 3 to 4 ms, by serial 3 ms, by requester 2 to 5 ms, by authority 2 ms,
by a time window 2 ms, valid at a moment 2 to 3 ms, everything 2 ms; a tenth page costs what the first does. "Without outcome" looks
through each block of 4,096 that lacks one, 3 ms a block. No plan reads a partition from end to end, which a test holds for
40,000 rows. \`node test/bench/audit-queries.ts --plans\` measures it again and prints the plans.
`;

/** The page; `json` is the text of docs/figures.json, undefined where no whole bench has been kept yet. */
export function renderPerformancePage(json: string | undefined): string {
  const report = json === undefined ? undefined : parseReport(json, "docs/figures.json");
  return `${BEFORE}${proxyPart(report)}\n${report === undefined ? budgetTable() : figureTable(report)}${AFTER}`;
}

function budgetTable(): string {
  const row = (name: string, promised: string): string => `| \`${name}\` | ${MEANING.get(name) ?? ""} | ${promised} |`;
  const rows = [
    ...[...budgets].map(([name, budget]) => row(name, `at most ${budget}`)),
    ...[...leastBudgets].map(([name, budget]) => row(name, `at least ${budget}`)),
  ];
  return ["## Budgets", "", "| figure | what | budget |", "|---|---|---|", ...rows, ""].join("\n");
}

/** One table for each run that the figures come from. */
function figureTable(report: Report): string {
  const byName = new Map(report.figures.map((figure) => [figure.name, figure]));
  const tables = runsOf(report).map(({ machine, figures }) => {
    const facts = Object.entries(machine).map(([name, value]) => `${name} ${value}`);
    const rows = figures.flatMap((name) => {
      const figure = byName.get(name);
      if (figure === undefined) return [];
      return [`| \`${name}\` | ${MEANING.get(name) ?? ""} | ${figure.value} ${figure.unit} | ${promise(figure)} |`];
    });
    const heading = [`Of one run: ${facts.join(", ")}.`, ""];
    return [...heading, "| figure | what | measured | budget |", "|---|---|---|---|", ...rows, ""].join("\n");
  });
  return ["## Figures", "", tables.join("\n")].join("\n");
}
