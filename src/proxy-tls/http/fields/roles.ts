// What each field means to the proxy, by its name. A role is a number: what is done with the field, and two flags. Names of no special
// meaning that are met often are in the table too, because looking up is cheaper than judging.
import { badRequest, badResponse, type HttpRefusal, RefusedError } from "../refusal.ts";
import { consistsOf, NAME_CHARACTERS } from "./characters.ts";
import { fold, isFolded, isProtected } from "./names.ts";

/** What is done with a field. */
export const PASS = 0;
/** Removed, named in Connection or not. */
export const REMOVE = 1;
/** Removed, because only the proxy may say it. */
export const PROTECTED = 2;
export const HOST = 3;
export const CONNECTION = 4;
export const TRANSFER_ENCODING = 5;
export const TE = 6;
export const UPGRADE = 7;
export const EXPECT = 8;
export const COOKIE = 9;
export const REQUEST_ID = 10;
export const TRACEPARENT = 11;
export const TRACESTATE = 12;
export const VIA = 13;
/** Overrides the method or the path that were authorized. */
export const OVERRIDE = 14;
/** Sent by browsers alone. */
export const BROWSER = 15;
/** Known in Connection, and no field. */
export const OPTION = 16;

/** The part of a role that says what is done. */
export const ACTION = 31;
/** Flag: a policy names the field; it may occur once. */
export const NAMED = 32;
/** Flag: the field means something to policy, framing, routing or identity. Connection may not name it, and it has no twins. */
export const MEANS = 64;

type Rows = readonly (readonly [role: number, ...names: string[]])[];

const BOTH: Rows = [
  [
    PASS,
    "accept",
    "accept-encoding",
    "accept-language",
    "user-agent",
    "cache-control",
    "pragma",
    "if-none-match",
    "etag",
  ],
  [PASS, "date", "server", "vary", "last-modified", "if-modified-since", "expires", "age", "accept-ranges"],
  [PASS | MEANS, "authorization", "content-type", "content-encoding", "content-range", "range", "trailer"],
  [PASS | MEANS, "set-cookie", "location", "www-authenticate", "grpc-status", "grpc-message", "grpc-timeout"],
  [REMOVE, "keep-alive", "proxy-connection", "proxy-authorization", "proxy-authenticate", "http2-settings"],
  [REMOVE | MEANS, "content-length"],
  [PROTECTED | MEANS, "x-forwarded-client-cert", "client-cert", "client-cert-chain", "forwarded", "x-real-ip"],
  [PROTECTED | MEANS, "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"],
  [CONNECTION | MEANS, "connection"],
  [TRANSFER_ENCODING | MEANS, "transfer-encoding"],
  [UPGRADE, "upgrade"],
  [OPTION, "close", "trailers"],
];

const REQUEST: Rows = [
  [HOST | MEANS, "host"],
  [TE, "te"],
  [EXPECT | MEANS, "expect"],
  [COOKIE | MEANS, "cookie"],
  [REQUEST_ID | MEANS, "x-request-id"],
  [TRACEPARENT | MEANS, "traceparent"],
  [TRACESTATE | MEANS, "tracestate"],
  [VIA | MEANS, "via"],
];

const RESPONSE: Rows = [
  [REMOVE, "te"],
  [PASS | MEANS, "host", "cookie", "x-request-id", "traceparent", "tracestate", "via"],
];

const OVERRIDES = [
  ...["x-original-url", "x-rewrite-url", "x-http-method", "x-http-method-override", "x-method-override"],
];
const BROWSERS = ["origin", "sec-fetch-site"];

export interface RequestRoleOptions {
  /** Names, in lower case, that policies look at. */
  readonly policyNames: Iterable<string>;
  /** Whether fields that override method or path are refused. */
  readonly refuseOverrides: boolean;
  /** Whether fields that only browsers send are refused. */
  readonly refuseBrowsers: boolean;
  readonly allowUnderscores: boolean;
}

/** The roles of the fields of requests, or of responses. */
export class FieldRoles {
  readonly #roles = new Map<string, number>();
  readonly #allowUnderscores: boolean;
  readonly #refusal: (reason: string) => HttpRefusal;

  private constructor(rows: Rows, allowUnderscores: boolean, refusal: (reason: string) => HttpRefusal) {
    for (const [role, ...names] of rows) for (const name of names) this.#roles.set(name, role);
    this.#allowUnderscores = allowUnderscores;
    this.#refusal = refusal;
  }

  static ofRequests(options: RequestRoleOptions): FieldRoles {
    const rows: Rows = [
      ...[...BOTH, ...REQUEST],
      [(options.refuseOverrides ? OVERRIDE : PASS) | MEANS, ...OVERRIDES],
      [(options.refuseBrowsers ? BROWSER : PASS) | MEANS, ...BROWSERS],
    ];
    const roles = new FieldRoles(rows, options.allowUnderscores, badRequest);
    for (const name of options.policyNames) {
      roles.#roles.set(name, (roles.#roles.get(name) ?? PASS) | NAMED | MEANS);
    }
    return roles;
  }

  static ofResponses(): FieldRoles {
    return new FieldRoles([...BOTH, ...RESPONSE], true, badResponse);
  }

  /**
   * The role of a field.
   * @param name lower case
   * @throws RefusedError no token, `_`, or a name that other programs read as one that means something
   */
  roleOf(name: string): number {
    return this.#roles.get(name) ?? this.#judge(name);
  }

  /**
   * Judges a token of Connection.
   * @param token lower case
   * @returns whether a field of that name is to be removed that would pass otherwise
   * @throws RefusedError the field means something
   */
  nominates(token: string): boolean {
    const role = this.#roles.get(isFolded(token) ? token : fold(token));
    if (role === undefined ? isProtected(fold(token)) : (role & MEANS) !== 0) {
      throw new RefusedError(this.#refusal("connection-names-field"));
    }
    return role === undefined || (role & ACTION) === PASS;
  }

  #judge(name: string): number {
    if (isFolded(name) && name !== "") return isProtected(name) ? PROTECTED | MEANS : PASS;
    if (name === "" || !consistsOf(name, NAME_CHARACTERS)) throw new RefusedError(this.#refusal("field-name"));
    if (!this.#allowUnderscores && name.includes("_")) throw new RefusedError(this.#refusal("underscore"));
    const folded = fold(name);
    const twin = this.#roles.get(folded) ?? PASS;
    if ((twin & MEANS) !== 0 || isProtected(folded)) throw new RefusedError(this.#refusal("field-twin"));
    return PASS;
  }
}

const ofStrangers = FieldRoles.ofRequests({
  ...{ policyNames: [], refuseOverrides: false, refuseBrowsers: false, allowUnderscores: true },
});

/** Whether a request's field of that name (lower case) reaches the target as the caller said it: a policy may look at no other. */
export function isForwarded(name: string): boolean {
  const action = strangersRole(name) & ACTION;
  return action === PASS || action === COOKIE || action === EXPECT;
}

/** Whether a listener may let a field of that name (lower case) pass as a trailer: one that means nothing in a head. */
export function mayTrail(name: string): boolean {
  const role = strangersRole(name);
  return (role & ACTION) === PASS && ((role & MEANS) === 0 || name.startsWith("grpc-"));
}

/** The role where no policy names anything; that of a removed field where the name is refused. */
function strangersRole(name: string): number {
  try {
    return ofStrangers.roleOf(name);
  } catch (error) {
    if (error instanceof RefusedError) return REMOVE;
    throw error;
  }
}
