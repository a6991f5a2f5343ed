// The certificates above our authorities: when do they end, and who else stands under the same root? Our own verifiers refuse a leaf
// of a sibling CA (rule X-16); foreign ones cannot, so that the root has to be ours alone or has to say which names it is for.
import { type AuthorityRecord, loadAuthorities } from "../../../ca/index.ts";
import { formatTime } from "../../../runtime/index.ts";
import { type Certificate, nameToString } from "../../../x509/index.ts";
import { type Finding, ok, problem, skipped } from "../result.ts";
import { span } from "../span.ts";
import type { Check } from "../world.ts";

const DAY_MS = 86_400_000;
/** An enterprise needs weeks to change what is above us. */
const NOTICE_MS = 90 * DAY_MS;

export const rootChecks: readonly Check[] = [
  {
    id: "roots.expiry",
    needs: "database",
    look: async ({ clock }, tx) => judgeExpiry(above(await loadAuthorities(tx)), clock.now()),
  },
  {
    id: "roots.dedicated",
    needs: "database",
    look: async ({ config }, tx) => {
      if (config.operations.dedicatedRoot)
        return [ok("operations.dedicatedRoot says that the root is this mesh's alone")];
      return judgeDedicated(above(await loadAuthorities(tx)), config.trustDomain);
    },
  },
];

interface Chain {
  readonly intermediates: readonly Certificate[];
  readonly anchor: Certificate;
}

/** What is above the authorities that sign, will sign or have signed. */
function above(records: readonly AuthorityRecord[]): readonly Chain[] {
  return records.flatMap(({ state, issued }) => {
    if (issued === undefined || issued.selfSigned) return [];
    return state === "prepared" || state === "active" ? [issued] : [];
  });
}

function judgeExpiry(chains: readonly Chain[], now: number): readonly Finding[] {
  if (chains.length === 0) return [ok("no authority has a root above itself: see authority.active")];
  const certificates = new Map(
    chains.flatMap(({ intermediates, anchor }) => [...intermediates, anchor]).map((each) => [each.sha256, each]),
  );
  return [...certificates.values()].map((certificate) => {
    const name = nameToString(certificate.subject);
    const { notAfter } = certificate;
    const command = "ask the enterprise CA for an authority under its next root or issuing CA (docs/enterprise-pki.md)";
    if (now > notAfter) {
      const found = `${name} ended at ${formatTime(notAfter)}: nothing under it verifies`;
      return problem("failed", found, "certificates that are valid now", command);
    }
    const found = `${name} ends at ${formatTime(notAfter)} (${span(notAfter - now)}); with it ends whatever is under it`;
    return notAfter - now < NOTICE_MS ? problem("warning", found, "a successor of it by now", command) : ok(found);
  });
}

function judgeDedicated(chains: readonly Chain[], trustDomain: string): readonly Finding[] {
  if (chains.length === 0) return [skipped("No authority has a root above itself.")];
  const anchors = new Map(chains.map(({ anchor }) => [anchor.sha256, anchor]));
  return [...anchors.values()].map((anchor) => {
    const name = nameToString(anchor.subject);
    if (onlyFor(anchor, trustDomain)) return ok(`${name} permits URIs of ${trustDomain} alone`);
    return problem(
      "warning",
      `${name} has no name constraint that keeps it to ${trustDomain}: another CA under it could sign spiffe://${trustDomain}/ and verifiers that are not mesh-ca's would accept that`,
      "a root for this trust domain alone, or CAs under it whose name constraints exclude the trust domain elsewhere",
      "docs/enterprise-pki.md, Whose root? If it is so: operations.dedicatedRoot: true",
    );
  });
}

/** Whether a certificate's name constraints permit URIs of this trust domain only (RFC 5280 section 4.2.1.10: a host, exactly). */
function onlyFor({ nameConstraints }: Certificate, trustDomain: string): boolean {
  const uris = (nameConstraints?.permitted ?? []).filter(({ kind }) => kind === "uri");
  return uris.length > 0 && uris.every((base) => base.kind === "uri" && base.value === trustDomain);
}
