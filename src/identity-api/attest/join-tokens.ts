// Join tokens: made, listed and voided here; redeemed in the ledger's transaction. Only SHA-256 of the secret is ever stored, and
// the text with the secret leaves this file once, in the answer of `create`.
import { createHash } from "node:crypto";
import type { Database, Grant, Ledger } from "../../ca/index.ts";
import { type Clock, formatTime, MeshCaError, type RandomSource, randomUuid } from "../../runtime/index.ts";
import { encodeJoinToken, type TrustDomain } from "../../spiffe/index.ts";
import { AccessError } from "../access/errors.ts";
import type { Attributes, Registry, Role, RuleSet } from "../registry/index.ts";
import { attributeNameProblem, attributeValueProblem, MAX_ATTRIBUTES, withInstance } from "./attributes.ts";
import { AttestError } from "./errors.ts";
import { findTokenById, markVoided, readTokens, type TokenRow, writeToken } from "./token-store.ts";

const DEFAULT_TTL_SECONDS = 3600;
const SECRET_BYTES = 32;
const DEFAULT_PAGE = 100;
const MAX_PAGE = 1000;
/** Bytes of UTF-8 of one token's attributes, and of all attributes of one page (clients take no answer beyond 4 MiB). */
const MAX_ATTRIBUTE_BYTES = 8_192;
const MAX_PAGE_BYTES = 1_048_576;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const CURSOR = /^([0-9]{1,15})_([0-9a-f-]{36})$/;

/** What a token's lifetime and pins come from. */
export interface TokenAuthority {
  /** SPKI SHA-256 (lower-case hex) of every prepared and active authority of every replica; at most 32. */
  readonly pins: readonly string[];
  /** Lifetime of the active authority's certificate, in seconds. */
  readonly lifetimeSeconds: number;
}

export interface JoinTokensDependencies {
  readonly ledger: Ledger;
  readonly database: Database;
  readonly registry: Registry;
  readonly trustDomain: TrustDomain;
  /** The join-token attestor instance (Attestors.joinTokenInstance). */
  readonly instance: string | undefined;
  readonly authority: () => TokenAuthority;
  /** host:port that tokens name when the request does not. */
  readonly publicAddress: () => string;
  readonly clock: Clock;
  readonly random: RandomSource;
}

export interface CreateJoinToken {
  /** Without the instance: {"service": "cart"}. */
  readonly attributes: Attributes;
  /** 0: one hour. */
  readonly ttlSeconds: number;
  /** host:port; empty: the server's public address. */
  readonly server: string;
}

/** Who asks, for the record and for the rule that no call may raise its caller. */
export interface TokenCaller {
  readonly requester: string;
  readonly roles: ReadonlySet<Role>;
  /** The local socket, which counts as admin. */
  readonly local: boolean;
}

export interface CreatedJoinToken {
  /** The secret text, shown once. */
  readonly token: string;
  readonly id: string;
  readonly expiresAt: number;
  /** Why the lifetime is shorter than asked; empty if it is not. */
  readonly shortenedBy: string;
  /** What it would earn now; undefined: nothing. */
  readonly grant: Grant | undefined;
}

export type JoinTokenInfo = Omit<TokenRow, "attestor" | "rulesRevision">;

export interface JoinTokenPage {
  readonly tokens: readonly JoinTokenInfo[];
  /** Empty: no more. */
  readonly nextCursor: string;
}

export class JoinTokens {
  readonly #dependencies: JoinTokensDependencies;

  constructor(dependencies: JoinTokensDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Makes a token. No call may raise its caller: where the attributes match a rule that carries roles, decisive or not, only
   * an admin may make it. That is judged under the head lock, on the rules as they then are; by a rule that is made or
   * changed later the token earns no roles (RuleSet.enrol).
   * @throws AttestError MCA_TOKEN_INVALID, MCA_ATTESTOR_UNKNOWN; AccessError MCA_FORBIDDEN
   */
  async create(request: CreateJoinToken, caller: TokenCaller): Promise<CreatedJoinToken> {
    const { clock, random, ledger, registry, instance } = this.#dependencies;
    if (instance === undefined) {
      throw new AttestError(
        "MCA_ATTESTOR_UNKNOWN",
        "No join-token attestor is configured. Add one under `attestors` (kind: join-token) and restart the server.",
      );
    }
    checkAttributes(request.attributes);
    const attributes = withInstance(instance, request.attributes);
    const secret = random.bytes(SECRET_BYTES);
    const token = this.#encode(request.server, secret);
    const secretSha256 = new Uint8Array(createHash("sha256").update(secret).digest());
    const id = randomUuid(random);
    const { ttlSeconds, shortenedBy } = this.#lifetime(request.ttlSeconds);
    const createdAt = clock.now();
    const expiresAt = createdAt + ttlSeconds * 1000;
    const grant = await ledger.transact(async (tx) => {
      const rules = await registry.rulesIn(tx);
      refuseRaise(rules, attributes, caller);
      const { requester } = caller;
      const stored = { secretSha256, id, attestor: instance, attributes: request.attributes, createdAt, expiresAt };
      await writeToken(tx, { ...stored, createdBy: requester, rulesRevision: rules.revision });
      tx.append({
        kind: "token.created",
        time: createdAt,
        token: id,
        attestor: instance,
        attributes: Object.fromEntries(request.attributes),
        expiresAt: formatTime(expiresAt),
        requester,
      });
      return rules.evaluate(attributes).grant;
    });
    return { token, id, expiresAt, shortenedBy, grant };
  }

  /** Newest first. `pageSize` 0: 100, at most 1,000; `cursor` empty: from the start. @throws AttestError MCA_QUERY_INVALID */
  async list(query: { readonly pageSize: number; readonly cursor: string }): Promise<JoinTokenPage> {
    const limit = Math.min(query.pageSize === 0 ? DEFAULT_PAGE : query.pageSize, MAX_PAGE);
    const rows = await readTokens(this.#dependencies.database, parseCursor(query.cursor), limit + 1);
    const tokens = withinBytes(rows.slice(0, limit));
    const last = tokens.at(-1);
    const more = rows.length > tokens.length && last !== undefined;
    return { tokens, nextCursor: more ? `${last.createdAt}_${last.id}` : "" };
  }

  /** Voids a token that was not redeemed yet; voiding twice does nothing. @throws AttestError MCA_TOKEN_UNKNOWN, MCA_TOKEN_REDEEMED */
  async void(id: string, requester: string): Promise<void> {
    const { ledger, clock } = this.#dependencies;
    const time = clock.now();
    await ledger.transact(async (tx) => {
      const row = UUID.test(id) ? await findTokenById(tx, id) : undefined;
      if (row === undefined) {
        throw new AttestError(
          "MCA_TOKEN_UNKNOWN",
          "No join token has this id. See the ids with: npx mesh-ca token list",
        );
      }
      if (row.redeemedAt !== undefined) {
        throw new AttestError(
          "MCA_TOKEN_REDEEMED",
          "The token was already redeemed, so voiding it changes nothing. Delete the rule to stop renewals of what it earned.",
          { details: { token: id } },
        );
      }
      if (row.voidedAt !== undefined) return;
      await markVoided(tx, id, time);
      tx.append({ kind: "token.voided", time, token: id, requester });
    });
  }

  #encode(server: string, secret: Uint8Array): string {
    const { authority, publicAddress, trustDomain } = this.#dependencies;
    try {
      return encodeJoinToken({
        trustDomain,
        server: server === "" ? publicAddress() : server,
        pins: authority().pins,
        secret,
      });
    } catch (error) {
      if (!(error instanceof MeshCaError) || error.code !== "MCA_TOKEN_MALFORMED") throw error;
      throw new AttestError(
        "MCA_TOKEN_INVALID",
        "The token's server must be host:port, for example ca.example.test:8443.",
        {
          cause: error,
        },
      );
    }
  }

  #lifetime(wished: number): { readonly ttlSeconds: number; readonly shortenedBy: string } {
    const { lifetimeSeconds } = this.#dependencies.authority();
    const ttlSeconds = wished === 0 ? DEFAULT_TTL_SECONDS : wished;
    const longest = Math.floor(lifetimeSeconds / 3);
    if (ttlSeconds <= longest) return { ttlSeconds, shortenedBy: "" };
    return {
      ttlSeconds: longest,
      shortenedBy: `a token lives at most a third of the authority's lifetime (${longest} s), so that its pins stay good`,
    };
  }
}

function checkAttributes(attributes: Attributes): void {
  if (attributes.size === 0) throw invalid("A join token needs at least one attribute, for example service=cart.");
  if (attributes.size > MAX_ATTRIBUTES) throw invalid(`A join token has at most ${MAX_ATTRIBUTES} attributes.`);
  for (const [name, value] of attributes) {
    const wrongName = attributeNameProblem(name);
    if (wrongName !== undefined) throw invalid(`The attribute name ${JSON.stringify(name.slice(0, 80))} ${wrongName}.`);
    const wrongValue = attributeValueProblem(value);
    if (wrongValue !== undefined) throw invalid(`The value of attribute "${name}" ${wrongValue}.`);
  }
  if (bytesOf(attributes) > MAX_ATTRIBUTE_BYTES) {
    throw invalid(`The attributes of a join token take at most ${MAX_ATTRIBUTE_BYTES} bytes together.`);
  }
}

function bytesOf(attributes: Attributes): number {
  let bytes = 0;
  for (const [name, value] of attributes) bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  return bytes;
}

/** As many of the rows as fit into one answer, at least one: nobody hides tokens behind large ones. */
function withinBytes(rows: readonly TokenRow[]): readonly TokenRow[] {
  let bytes = 0;
  const end = rows.findIndex((row, index) => {
    bytes += bytesOf(row.attributes);
    return index > 0 && bytes > MAX_PAGE_BYTES;
  });
  return end === -1 ? rows : rows.slice(0, end);
}

function refuseRaise(rules: RuleSet, attributes: Attributes, caller: TokenCaller): void {
  const raising = rules.roleBearingMatches(attributes);
  if (raising.length === 0 || caller.local || caller.roles.has("admin")) return;
  throw new AccessError(
    "MCA_FORBIDDEN",
    `These attributes match a rule that carries roles (${raising.slice(0, 3).join(", ")}): only an admin may make such a token.`,
    { details: { needs: "admin" } },
  );
}

function parseCursor(cursor: string): { readonly createdAt: number; readonly id: string } | undefined {
  if (cursor === "") return undefined;
  const [, createdAt, id] = CURSOR.exec(cursor) ?? [];
  if (createdAt === undefined || id === undefined || !UUID.test(id) || Number(createdAt) > 8.64e15) {
    throw new AttestError("MCA_QUERY_INVALID", "The cursor was not made by this server. Begin again without one.");
  }
  return { createdAt: Number(createdAt), id };
}

function invalid(sentence: string): AttestError {
  return new AttestError("MCA_TOKEN_INVALID", sentence);
}
