// Which DNS names rules may ever grant: what the name constraints of an enterprise CA have to permit. A placeholder fills part of one
// label, so that what follows its label's end is fixed: {token.service}.svc.example.test stands for every name below svc.example.test.
import type { DnsGrant } from "../../ca/index.ts";
import type { DnsTemplate } from "./dns-template.ts";
import type { Pattern } from "./glob.ts";

/** What one template may yield. `selectors`: what the rule binds its placeholders to, exactly or by a glob. */
export function dnsGrantOf(template: DnsTemplate, selectors: ReadonlyMap<string, Pattern>): DnsGrant {
  let name = "";
  let open = false;
  for (const part of template.parts) {
    const pattern = part.kind === "text" ? undefined : selectors.get(part.name);
    if (part.kind === "text") name += part.text;
    else if (pattern?.kind === "exact") name += pattern.text;
    else {
      open = true;
      // What a glob ends with is fixed as well.
      name = pattern?.text.slice(pattern.text.lastIndexOf("*") + 1) ?? "";
    }
  }
  if (!open) return { kind: "exact", name };
  // The rest of the label that the placeholder stands in is not fixed.
  const dot = name.indexOf(".");
  return dot === -1 ? { kind: "any" } : { kind: "below", suffix: name.slice(dot + 1) };
}

/** The same grants, each once. */
export function uniqueGrants(grants: readonly DnsGrant[]): readonly DnsGrant[] {
  return [...new Map(grants.map((grant) => [JSON.stringify(grant), grant])).values()];
}
