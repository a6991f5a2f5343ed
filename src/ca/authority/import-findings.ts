// What this server itself has against an import, beside what the certificates are: they are for keys that wait for nothing, or lead to
// what an operator has decided against.
import { formatTime } from "../../runtime/index.ts";
import { nameToString } from "../../x509/index.ts";
import type { AcceptedAuthority, Finding, ImportedCertificate } from "../upstream/index.ts";
import type { AuthorityRecord } from "./records.ts";
import { pendingRequests } from "./requests.ts";

const ANSWER = "the answer to a request that waits (npx mesh-ca authority csr prints it or makes one)";

/**
 * Why none of the certificates answers a request of this replica, where they are for keys that it knows. Undefined where one does, or
 * where no key is known: then the assembly tells. Bundles often hold the certificates of authorities that were signed before.
 */
export function findKnown(
  certificates: readonly ImportedCertificate[],
  records: readonly AuthorityRecord[],
  replica: number,
): Finding | undefined {
  const waiting = new Set(
    pendingRequests(records.filter((each) => each.replica === replica)).map(({ spkiSha256 }) => spkiSha256),
  );
  if (certificates.some(({ certificate }) => waiting.has(certificate.publicKey.spkiSha256))) return undefined;
  for (const { certificate, source } of certificates) {
    const record = records.find((each) => each.spkiSha256 === certificate.publicKey.spkiSha256);
    if (record === undefined) continue;
    const same = record.issued?.certificate.sha256 === certificate.sha256;
    return {
      severity: "error",
      certificate: `${nameToString(certificate.subject)}, ${source}`,
      ...(record.replica === replica ? knownHere(record, same) : knownElsewhere(record, replica)),
    };
  }
  return undefined;
}

type Told = Pick<Finding, "rule" | "found" | "expected">;

function knownElsewhere(record: AuthorityRecord, replica: number): Told {
  return {
    rule: "replica",
    found: `a certificate for a key of replica ${record.replica}`,
    expected: `one for a request of replica ${replica}; bring this one to replica ${record.replica}`,
  };
}

function knownHere({ state, since, issued, spkiSha256 }: AuthorityRecord, same: boolean): Told {
  const at = `${state} since ${formatTime(since)}`;
  if (issued === undefined) {
    return {
      rule: "request",
      found: `an answer to a request that was given up, its key destroyed: ${spkiSha256} is ${at}`,
      expected: ANSWER,
    };
  }
  if (same) {
    return {
      rule: "request",
      found: `this certificate, which was brought in before: the authority ${spkiSha256} is ${at}`,
      expected: ANSWER,
    };
  }
  return {
    rule: "request",
    found: `another certificate for a key that has one: the authority ${spkiSha256} is ${at}`,
    expected: `${ANSWER}: an authority is never renewed, it is followed by one with a key of its own`,
  };
}

/** What an operator decided against before. `recovery`: he takes a pruned root back. */
export function* decidedAgainst(
  accepted: AcceptedAuthority,
  { distrustedSpkis, prunedAnchors }: { distrustedSpkis: readonly string[]; prunedAnchors: readonly string[] },
  recovery: boolean,
): Iterable<Finding> {
  for (const { subject, publicKey } of [accepted.certificate, ...accepted.intermediates, accepted.anchor]) {
    if (!distrustedSpkis.includes(publicKey.spkiSha256)) continue;
    yield {
      severity: "error",
      certificate: nameToString(subject),
      rule: "distrusted",
      found: `the key ${publicKey.spkiSha256}, which was revoked`,
      expected: "a path without it",
    };
  }
  if (prunedAnchors.includes(accepted.anchor.sha256) && !recovery) {
    yield {
      severity: "error",
      certificate: nameToString(accepted.anchor.subject),
      rule: "pruned",
      found: "a root that was taken out of the bundle",
      expected: "another root, or --recover, which brings this one back",
    };
  }
}
