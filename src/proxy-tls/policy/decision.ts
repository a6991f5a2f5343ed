// What is decided on, and the one object that says what was decided: the access log, the metric and `mesh-ca proxy explain` all
// print this object. No boolean decides anything.
import type { SpiffeId } from "../../spiffe/index.ts";

/** What a policy may look at. A missing attribute counts as a match for deny and as no match for allow. */
export interface PolicyInput extends ConnectionPolicyInput {
  /** Undefined on a tcp listener. */
  readonly http: HttpPolicyInput | undefined;
}

/** What is the same for every request of a connection. */
export interface ConnectionPolicyInput {
  /** The listener's name. */
  readonly listener: string;
  /** The verified peer; undefined: there is none. */
  readonly principal: SpiffeId | undefined;
  /** IPv4 or IPv6 address of the peer; undefined: a Unix socket. */
  readonly sourceAddress: string | undefined;
  /** The port that the listener is bound to; undefined: a Unix socket. */
  readonly port: number | undefined;
}

export interface HttpPolicyInput {
  readonly method: string;
  /** Normalised host[:port]. */
  readonly authority: string;
  /** Decoded path. */
  readonly path: string;
  /** name, value, name, value ...; names in lower case. */
  readonly fields: readonly string[];
}

export type DecisionReason =
  /** A deny policy matched. */
  | "denied"
  /** An allow policy matched, and no deny. */
  | "allowed"
  /** No allow policy matched. */
  | "default-deny"
  /** The request could not be judged as the policies ask: a field that a policy names occurs twice, and the like. */
  | "refused";

/** A policy that matched without deciding: a dry run, or an audit. */
export interface PolicyMatch {
  readonly policy: string;
  /** Index of the rule, from 0. */
  readonly rule: number;
  readonly action: "allow" | "deny" | "audit";
}

export interface Decision {
  readonly effect: "allow" | "deny";
  /** The policy that decided; undefined: none did. */
  readonly policy: string | undefined;
  /** Index of its rule, from 0. */
  readonly rule: number | undefined;
  readonly reason: DecisionReason;
  /** Dry-run policies that would have matched. */
  readonly dryRun: readonly PolicyMatch[];
  /** Audit policies that matched; they never change the effect. */
  readonly audit: readonly PolicyMatch[];
}

/** The policies, narrowed to one connection. */
export interface ConnectionDecider {
  /** Whatever is asked on this connection is denied. */
  readonly allowsNothing: boolean;
  decide(http: HttpPolicyInput | undefined): Decision;
}
