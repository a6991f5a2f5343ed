// What the primary and its workers say to each other, over the private channel of the two processes. Both sides are of one program and
// one start, so that nothing here is a format that lasts; a private key travels over no other way.
import type { TlsIdentity } from "../../tls/index.ts";
import type { ProxyConfig } from "../config/schema.ts";
import type { BoundAddress } from "../listener/runtime.ts";
import type { MetricsAnswer, MetricsQuestion } from "../observe/collector.ts";
import type { PolicyDocument } from "../policy/schema.ts";

/** The state that counts from now on. What is left out is as the worker knows it. */
export interface StateMessage {
  readonly kind: "state";
  readonly revision: number;
  readonly identityRevision: number;
  readonly trustRevision: number;
  readonly policyRevision: number;
  readonly ownId: string;
  readonly identity: TlsIdentity | null;
  /** One trust file for each trust domain. */
  readonly trust?: readonly string[];
  readonly policies?: PolicyDocument;
}

export type ToWorker =
  /** Open the listeners, with this configuration (its ports are those that are bound) and this state. */
  | { readonly kind: "start"; readonly config: ProxyConfig; readonly state: StateMessage }
  | StateMessage
  /** Finish what is in flight, for at most so long, and end. */
  | { readonly kind: "drain"; readonly graceMs: number }
  /** Say that you live. */
  | { readonly kind: "pulse-question" }
  | MetricsQuestion;

export type FromWorker =
  /** It can be told to start. */
  | { readonly kind: "hello" }
  | { readonly kind: "listening"; readonly addresses: readonly (readonly [string, BoundAddress])[] }
  /** The listeners cannot be opened. */
  | { readonly kind: "failed"; readonly code: string; readonly sentence: string }
  /** The state of this revision counts in this worker. */
  | { readonly kind: "state-taken"; readonly revision: number }
  | { readonly kind: "pulse-answer" }
  | MetricsAnswer;

/** What came over the channel of our own processes: only its kind is looked at. */
export function parseFromWorker(value: unknown): FromWorker | undefined {
  // The other end is this program, started by this process: whoever could write there could do worse.
  return hasKind(value) ? (value as FromWorker) : undefined;
}

/** As parseFromWorker, for the other direction. */
export function parseToWorker(value: unknown): ToWorker | undefined {
  return hasKind(value) ? (value as ToWorker) : undefined;
}

function hasKind(value: unknown): boolean {
  return typeof value === "object" && value !== null && "kind" in value && typeof value.kind === "string";
}
