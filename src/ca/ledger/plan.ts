// One batch, decided: which intents are recorded and at which index, which are refused and why, what follows for lineages and
// tokens. Pure: the state is what was read under the head lock, and the answer is written in the same transaction. An intent
// that is refused never harms its neighbours.
import { formatTime } from "../../runtime/index.ts";
import { toHex } from "../../x509/index.ts";
import { decideRenewal, type FreezeCause, withChild } from "../lineage/decide.ts";
import type { LineageState } from "../lineage/lineage.ts";
import { fullQuota, type QuotaState, takeQuota } from "../lineage/quota.ts";
import { type EncodedEntry, encodeEntry } from "./canonical.ts";
import { LedgerError } from "./errors.ts";
import type { IntentFields } from "./intent.ts";
import type { Quota } from "./ledger.ts";
import { decideToken, type TokenState } from "./token.ts";

export interface LineageRow {
  readonly state: LineageState;
  readonly quota: QuotaState;
}

/** What was read under the head lock. Keys: lineage ids, hex of token hashes, rule names, hex of key hashes. */
export interface BatchState {
  readonly size: bigint;
  readonly lineages: ReadonlyMap<string, LineageRow>;
  readonly tokens: ReadonlyMap<string, TokenState>;
  readonly rules: ReadonlyMap<string, bigint>;
  /** States of those that may sign something. */
  readonly authorities: ReadonlyMap<string, string>;
}

export interface PreparedIntent {
  readonly fields: IntentFields;
  readonly entry: EncodedEntry;
  /** Lower-case hex of the serial. */
  readonly serial: string;
}

export type Verdict =
  | { readonly kind: "recorded"; readonly logIndex: bigint }
  | { readonly kind: "replay"; readonly logIndex: bigint }
  | { readonly kind: "refused"; readonly error: LedgerError };

export interface Issuance {
  readonly fields: IntentFields;
  readonly logIndex: bigint;
}

export interface Freeze {
  readonly lineage: string;
  readonly cause: FreezeCause;
  readonly fields: IntentFields;
}

export interface BatchPlan {
  /** In the order of the intents. */
  readonly verdicts: readonly Verdict[];
  /** From `size` on, without a gap: first those of the issuances, in their order. */
  readonly entries: EncodedEntry[];
  readonly issuances: readonly Issuance[];
  /** New state of lineages that existed and got a child, by id. */
  readonly renewed: ReadonlyMap<string, LineageRow>;
  readonly opened: ReadonlyMap<string, LineageRow & { readonly fields: IntentFields }>;
  /** New state of tokens, by hex of the hash. */
  readonly tokens: ReadonlyMap<string, TokenState>;
  readonly freezes: readonly Freeze[];
}

/** Decides a batch. `now`: Unix milliseconds. */
export function planBatch(
  intents: readonly PreparedIntent[],
  state: BatchState,
  options: { readonly now: number; readonly lineageQuota: Quota },
): BatchPlan {
  const planner = new Planner(state, options.now, options.lineageQuota);
  const verdicts = intents.map((intent) => planner.decide(intent));
  return planner.plan(verdicts);
}

class Planner {
  readonly #state: BatchState;
  readonly #now: number;
  readonly #quota: Quota;
  readonly #entries: EncodedEntry[] = [];
  readonly #issuances: Issuance[] = [];
  readonly #serials = new Set<string>();
  readonly #renewed = new Map<string, LineageRow>();
  readonly #opened = new Map<string, LineageRow & { readonly fields: IntentFields }>();
  readonly #tokens = new Map<string, TokenState>();
  readonly #frozen = new Set<string>();
  readonly #freezes: Freeze[] = [];

  constructor(state: BatchState, now: number, quota: Quota) {
    this.#state = state;
    this.#now = now;
    this.#quota = quota;
  }

  decide(intent: PreparedIntent): Verdict {
    const { fields } = intent;
    if (this.#serials.has(intent.serial))
      return refuse("MCA_SERIAL_COLLISION", "The serial number is taken. Draw another.");
    if (fields.rule !== undefined && this.#state.rules.get(fields.rule.name) !== fields.rule.revision) {
      return refuse(
        "MCA_RULE_CHANGED",
        `The rule ${fields.rule.name} was changed or deleted while this request was under way. Try again.`,
      );
    }
    // A probe is how an authority is tried before anybody trusts it; everything else is for the active one.
    const wanted = fields.kind === "svid.probe" ? "requested" : "active";
    if (this.#state.authorities.get(fields.authority) !== wanted) {
      return refuse(
        "MCA_AUTHORITY_NOT_ACTIVE",
        `The authority ${fields.authority} does not sign any more (npx mesh-ca authority list): nothing was recorded. Ask again.`,
      );
    }
    switch (fields.lineage.kind) {
      case "none":
        return this.#record(intent);
      case "open":
        return this.#open(intent, fields.lineage.id);
      case "renew":
        return this.#renew(intent, fields.lineage.id, fields.lineage.presentedSerial);
    }
  }

  plan(verdicts: readonly Verdict[]): BatchPlan {
    for (const freeze of this.#freezes) this.#entries.push(freezeEntry(freeze, this.#now));
    return {
      verdicts,
      entries: this.#entries,
      issuances: this.#issuances,
      renewed: this.#renewed,
      opened: this.#opened,
      tokens: this.#tokens,
      freezes: this.#freezes,
    };
  }

  #record(intent: PreparedIntent): Verdict & { kind: "recorded" } {
    const logIndex = this.#state.size + BigInt(this.#entries.length);
    this.#entries.push(intent.entry);
    this.#issuances.push({ fields: intent.fields, logIndex });
    this.#serials.add(intent.serial);
    return { kind: "recorded", logIndex };
  }

  #open(intent: PreparedIntent, id: string): Verdict {
    const { fields } = intent;
    if (fields.token === undefined) {
      const verdict = this.#record(intent);
      this.#opened.set(id, this.#firstOf(intent, verdict.logIndex));
      return verdict;
    }
    const key = toHex(fields.token.secretSha256);
    const token = this.#tokens.get(key) ?? this.#state.tokens.get(key);
    const decision = decideToken(token, { spkiSha256: fields.spkiSha256, replacing: fields.replacing, now: this.#now });
    if (decision.kind !== "redeem") return decision;
    const verdict = this.#record(intent);
    this.#opened.set(id, this.#firstOf(intent, verdict.logIndex));
    this.#tokens.set(key, {
      ...decision.token,
      redeemed: {
        at: decision.token.redeemed?.at ?? this.#now, // a second record does not prolong the five minutes
        spkiSha256: fields.spkiSha256,
        logIndex: verdict.logIndex,
        lineage: id,
      },
    });
    return verdict;
  }

  #firstOf(intent: PreparedIntent, logIndex: bigint): LineageRow & { readonly fields: IntentFields } {
    const quota = takeQuota(this.#quota, fullQuota(this.#quota, this.#now), this.#now);
    return {
      fields: intent.fields,
      state: withChild(undefined, childOf(intent, logIndex)),
      quota: quota.kind === "granted" ? quota.state : { left: 0, at: this.#now },
    };
  }

  #renew(intent: PreparedIntent, id: string, presentedSerial: string): Verdict {
    const { fields } = intent;
    const row = this.#renewed.get(id) ?? this.#state.lineages.get(id);
    if (row === undefined) {
      return refuse("MCA_LINEAGE_UNKNOWN", "The certificate belongs to no lineage. Enrol again with fresh evidence.");
    }
    if (this.#frozen.has(id)) return refuse("MCA_LINEAGE_FROZEN", FROZEN);
    const decision = decideRenewal(row.state, {
      presentedSerial,
      spkiSha256: fields.spkiSha256,
      replacing: fields.replacing,
      now: this.#now,
    });
    switch (decision.kind) {
      case "replay":
        return decision;
      case "frozen":
        return refuse("MCA_LINEAGE_FROZEN", FROZEN);
      case "freeze":
        this.#frozen.add(id);
        this.#freezes.push({ lineage: id, cause: decision.cause, fields });
        return refuse("MCA_LINEAGE_FROZEN", FROZEN, { cause: decision.cause });
      case "child": {
        const quota = takeQuota(this.#quota, row.quota, this.#now);
        if (quota.kind === "exceeded") {
          return refuse(
            "MCA_QUOTA_EXCEEDED",
            `This identity renews too often: at most ${this.#quota.perHour} an hour in the long run. Try again in ${Math.ceil(quota.retryAfterMs / 1000)} s, and renew at the time the answer names.`,
            { retryAfterMs: String(quota.retryAfterMs) },
          );
        }
        const verdict = this.#record(intent);
        this.#renewed.set(id, {
          state: withChild(decision.parentSerial, childOf(intent, verdict.logIndex)),
          quota: quota.state,
        });
        return verdict;
      }
    }
  }
}

const FROZEN =
  "Two holders of this identity were seen: a key was stolen, or a machine was copied. Renewal is stopped for both. Find out which, then enrol again with fresh evidence.";

function childOf(intent: PreparedIntent, logIndex: bigint) {
  const { issuedAt, notAfter, spkiSha256 } = intent.fields;
  return { serial: intent.serial, spkiSha256, logIndex, issuedAt, notAfter };
}

function refuse(
  code: ConstructorParameters<typeof LedgerError>[0],
  sentence: string,
  details?: Readonly<Record<string, string>>,
): Verdict {
  return { kind: "refused", error: new LedgerError(code, sentence, details === undefined ? {} : { details }) };
}

function freezeEntry({ lineage, cause, fields }: Freeze, now: number): EncodedEntry {
  return encodeEntry({
    v: 1,
    kind: "lineage.frozen",
    time: formatTime(now),
    lineage,
    spiffeId: fields.spiffeId,
    cause,
    requester: fields.requester,
    requesterAddress: fields.requesterAddress,
    requestId: fields.requestId,
    ...(fields.lineage.kind === "renew" ? { presented: fields.lineage.presentedSerial } : {}),
  });
}
