// What a chain of the corpus is, and the builders that its files share. Each bad chain is good but for one point.
import type { PathRule, Purpose } from "../../../../src/x509/index.ts";
import {
  type CertificateOptions,
  createIntermediate,
  createLeaf,
  createRoot,
  type TestCertificate,
} from "../../../support/pki.ts";

/** A chain with its verdict: "good", or the rule that the path breaks. */
export interface Specimen {
  readonly name: string;
  /** Leaf first. */
  readonly chain: readonly TestCertificate[];
  readonly anchors: readonly TestCertificate[];
  readonly verdict: "good" | PathRule;
  /** Default: both. */
  readonly purposes?: readonly Purpose[];
}

/** A chain under `root`, or one with anchors of its own. */
export type Chain = readonly TestCertificate[] | Pick<Specimen, "chain" | "anchors">;

export const root = createRoot({ subject: "Corpus Root" });

const placed = (chain: Chain): Pick<Specimen, "chain" | "anchors"> =>
  "anchors" in chain ? chain : { chain, anchors: [root] };

export function good(name: string, chain: Chain, purposes?: readonly Purpose[]): Specimen {
  return { name, ...placed(chain), verdict: "good", ...(purposes === undefined ? {} : { purposes }) };
}

export function bad(verdict: PathRule, name: string, chain: Chain): Specimen {
  return { name, ...placed(chain), verdict };
}

/** A chain of leaf and authority under `root`, with options for either. */
export function two(leafOptions: CertificateOptions, authorityOptions: CertificateOptions = {}): TestCertificate[] {
  const issuer = createIntermediate(root, authorityOptions);
  return [createLeaf(issuer, leafOptions), issuer];
}

/** A leaf right under a root with options. */
export function underRoot(options: CertificateOptions): Pick<Specimen, "chain" | "anchors"> {
  const special = createRoot(options);
  return { chain: [createLeaf(special)], anchors: [special] };
}

/** A line of CAs, top first, under `root`, and a leaf under the last; presented leaf first. */
export function line(...options: readonly CertificateOptions[]): TestCertificate[] {
  const cas: TestCertificate[] = [];
  for (const one of options) cas.unshift(createIntermediate(cas[0] ?? root, one));
  return [createLeaf(cas[0] ?? root), ...cas];
}
