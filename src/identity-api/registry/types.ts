// What identity rules are made of. A definition is plain data (configuration, API, database); an IdentityRule is a checked one.

import type { TrustDomain } from "../../spiffe/index.ts";

/** Established attributes: "<attestor instance>.<attribute>" to its value. */
export type Attributes = ReadonlyMap<string, string>;

/** What an identity may do with the API. `admin` includes the two others. */
export type Role = "auditor" | "operator" | "admin";
export const roles: readonly Role[] = ["auditor", "operator", "admin"];

/** A rule as written, with every default filled in. */
export interface RuleDefinition {
  readonly name: string;
  /** The highest priority that matches decides. */
  readonly priority: number;
  /** Attribute to an exact value, or to a glob within one segment. */
  readonly match: ReadonlyMap<string, string>;
  /** Template of the SPIFFE ID. */
  readonly spiffeId: string;
  /** Templates of DNS names. */
  readonly dnsNames: readonly string[];
  /** 0: the server's default. */
  readonly ttlSeconds: number;
  readonly roles: readonly Role[];
  /** Undefined: 7 days for join tokens, else 0. */
  readonly renewAfterExpirySeconds: number | undefined;
  /** 0: 30 days. */
  readonly maxLineageAgeSeconds: number;
}

export type RuleSource = "config" | "api";

/** A rule as the database holds it. */
export interface StoredRule {
  readonly definition: RuleDefinition;
  readonly source: RuleSource;
  readonly revision: bigint;
}

/** A configured attestor instance, as far as rules need to know it. */
export interface AttestorDescription {
  readonly name: string;
  readonly kind: "join-token" | "jwt" | "x509";
  /** Names (without the instance) that it can establish; undefined: any. A selector on another name is an error at load. */
  readonly attributeNames: readonly string[] | undefined;
}

/** Bounds of lifetimes, from the configuration's `issuance`. */
export interface TtlBounds {
  readonly defaultSeconds: number;
  readonly minSeconds: number;
  readonly maxSeconds: number;
}

/** What rules are parsed against. */
export interface RuleContext {
  readonly trustDomain: TrustDomain;
  readonly attestors: readonly AttestorDescription[];
  readonly ttl: TtlBounds;
}

/** What one rule says to a set of attributes: one sentence why. */
export interface RuleVerdict {
  readonly rule: string;
  readonly revision: bigint;
  readonly priority: number;
  readonly matched: boolean;
  /** True for the one rule that decides. */
  readonly chosen: boolean;
  readonly reason: string;
}
