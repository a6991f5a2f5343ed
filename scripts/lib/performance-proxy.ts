// The proxy's part of docs/performance.md: how it is measured, and what it costs beside plain Node programs, HAProxy and nginx, from the
// figures of the last whole run. It says who is ahead, whoever that is.
import type { Figure } from "../../test/bench/report.ts";
import { type Report, runsOf } from "../../test/bench/report-file.ts";

const METHOD = `## The proxy

\`npm run bench -- --only proxy\` starts \`mesh-ca proxy run\` from \`dist/\`, in one process, with policies, x-forwarded-client-cert, access log and
metrics on, and beside it plain Node programs of twenty lines that do the same and none of that (\`test/bench/plain/\`). Short rounds of all
alternate, and the order turns round; a ratio is the median of the rounds' ratios. Only the proxy's CPU counts; a client in a process of its
own holds 64 mTLS connections. The proxy is pinned to one core, client and backend to the others. A ratio is ours over theirs, but for bulk
(megabytes for each second of CPU, the worse of tcp and HTTP, both directions together). Idle memory is the growth of the resident set over
5,000 connections that have carried one call. The figures are of a warm process: V8 needs some 20,000 requests before it has compiled what it
will compile. \`--part http1,idle\` runs some of its parts; \`--json FILE\` replaces what was measured and keeps the rest of the file. A whole run
takes about seven minutes and 10,500 open files in a process.

What was found by measuring: V8 counts every buffer that passes as memory in use, so that a small limit makes it mark the whole heap every 23 MB,
and buffers that are used again cost none of that. A writer that is handed as much as it bears is paused, which costs a turn and two system
calls for each 64 KiB. Whoever connects again with the same certificate is neither read nor verified anew (trust being the same).
V8 forgets how Node's ticks are built when a full collection finds none, and each then costs 0.4 us in place of 0.08 for as long as the process
lives: one is kept, which is worth 4 us of an HTTP/1.1 call and 1.3 of a tcp round trip.
Plain Node's HTTP/2 is node:http2, which makes two streams and a handle for each call and keeps them until everything is collected, since V8
allocates a function written on the right of an assignment to a property (\`this.x = () => ...\`) among its old objects. Ours, \`src/http2\`, makes
one small object, and what many streams have to say in one turn of the event loop leaves as one TLS record.
Times in the access log are written from whole microseconds: V8 remembers the text of each number that it has written, and of fractions that
are hardly ever the same that was 40 bytes a request among its old objects, 28 MB of growth in a million requests.
Each part of a run has fresh processes on every side, because what a process has done before costs it later: connections that came and went
leave glibc's heap in pieces, in which OpenSSL's buffers are looked for. \`proxy.aged_http1_*\` are the calls of processes, ours and plain
Node's, that have let in and closed as many connections as \`proxy.aged_by\` says.

`;

const NO_FIGURES = `No figures of the proxy have been kept: \`npm run bench -- --only proxy --json docs/figures.json\` measures them.

`;

const OTHERS = `Where HAProxy and nginx are installed, a whole run has them beside ours, in one process with one thread on the same core, doing the same work
as far as they can: TLS 1.3 with client certificates required, no tickets, kept connections on both sides, a rule by certificate and path, the
certificate's hash and a request ID in fields, a line of JSON for each request. What they do not do: they know a certificate by its hash only,
read no SPIFFE ID, count nothing by policy, and an open connection lives on when its certificate has expired or its CA is gone. What differs:
nginx sends HTTP/2 on as HTTP/1.1, and after a handshake a ticket that it would not take; it writes its log in pieces of 32 KiB, HAProxy each
line by itself, ours those of 5 ms together; they use the system's OpenSSL, ours that of Node. Both are written in C, and it shows.
`;

/** Who is compared, by the tags of their figures. */
const COLUMNS = [
  { tag: "", name: "mesh-ca" },
  { tag: "plain", name: "plain Node" },
  { tag: "haproxy", name: "HAProxy" },
  { tag: "nginx", name: "nginx" },
] as const;

const ROWS: readonly { readonly what: string; readonly name: (tag: string) => string }[] = [
  { what: "a handshake", name: (tag) => `proxy.handshake${tag}_us` },
  { what: "a tcp round trip", name: (tag) => `proxy.l4${tag}_us` },
  { what: "an HTTP/1.1 call", name: (tag) => `proxy.http1${tag}_us` },
  { what: "an HTTP/2 call", name: (tag) => `proxy.http2${tag}_us` },
  { what: "an idle HTTP connection", name: (tag) => `proxy.idle_kb_http${tag}` },
];

/** @param report undefined, or without the proxy's figures: they have not been kept yet */
export function proxyPart(report: Report | undefined): string {
  const figures = new Map(report?.figures.map((figure) => [figure.name, figure]));
  if (!figures.has("proxy.http1_us")) return METHOD + NO_FIGURES + OTHERS;
  const columns = COLUMNS.filter(({ tag }) => ROWS.some((row) => figures.has(nameIn(row, tag))));
  const head = columns.map(({ name }) => ` ${name}${versionOf(report, name)} |`).join("");
  const lines = ROWS.map(
    (row) => `| ${row.what} |${columns.map(({ tag }) => ` ${cell(figures.get(nameIn(row, tag)))} |`).join("")}`,
  );
  const table = [`| |${head}`, `|---|${"---|".repeat(columns.length)}`, ...lines].join("\n");
  return `${METHOD}${OTHERS}\n${table}\n\n${verdicts(figures)}`;
}

function nameIn(row: (typeof ROWS)[number], tag: string): string {
  return row.name(tag === "" ? "" : `_${tag}`);
}

function cell(figure: Figure | undefined): string {
  return figure === undefined ? "not measured" : `${figure.value} ${figure.unit}`;
}

/** Of the run that measured the proxy. */
function versionOf(report: Report | undefined, name: string): string {
  const run = runsOf(report).find(({ figures }) => figures.includes("proxy.http1_us"));
  const version = run?.machine[name];
  return version === undefined ? "" : ` ${version}`;
}

/** A sentence for each foreign program: what ours costs as a multiple of what it costs there. */
function verdicts(figures: ReadonlyMap<string, Figure>): string {
  const sentences = COLUMNS.slice(2).flatMap(({ tag, name }) => {
    const multiples = ROWS.flatMap((row) => {
      const own = figures.get(nameIn(row, ""))?.value;
      const theirs = figures.get(nameIn(row, tag))?.value;
      return own === undefined || theirs === undefined ? [] : [`${row.what} ${(own / theirs).toFixed(1)} times`];
    });
    return multiples.length === 0 ? [] : [`Ours takes what ${name} takes, multiplied: ${multiples.join(", ")}.`];
  });
  return sentences.length === 0
    ? "Neither HAProxy nor nginx was installed where these figures were measured.\n"
    : `${sentences.join("\n")}\n`;
}
