// One pass over the fields of a request: what is kept for the target, and what they say to us. The role of each name says what is done.
//
// HTTP/2's cookie crumbs are joined here (RFC 9113 section 8.2.3), whatever the target speaks, so that policies see the very field that
// is written. Expect stays among the fields, for the target to answer.
import { keepMarks } from "../../../http2/index.ts";
import type { FieldList } from "../exchange.ts";
import { badRequest, type HttpRefusal, RefusedError } from "../refusal.ts";
import { ConnectionField, forEachElement } from "./connection-field.ts";
import { fieldValue, without } from "./lists.ts";
import { isRequestId } from "./request-id.ts";
import * as roles from "./roles.ts";
import type { RequestRules } from "./rules.ts";
import { checkField, markChecked, type SafeFields } from "./safe-fields.ts";
import { isTraceparent } from "./traceparent.ts";
import { viaNames } from "./via.ts";

export class RequestFields {
  /** End-to-end fields, but for what `finish` removes. */
  readonly #kept: string[] = [];
  readonly #rules: RequestRules;
  readonly #version: "1.0" | "1.1" | "2";
  /** As it came. */
  host: string | undefined;
  acceptsTrailers = false;
  #connection: ConnectionField | undefined;
  #expects = false;
  #cookieAt = -1;
  #requestIds = 0;
  #requestIdGood = true;
  #traceparents = 0;
  #traceGood = true;
  #tracestate = false;

  constructor(version: "1.0" | "1.1" | "2", rules: RequestRules) {
    this.#version = version;
    this.#rules = rules;
  }

  /** @throws RefusedError */
  take(fields: FieldList): void {
    const kept = this.#kept;
    keepMarks(kept, fields);
    const fieldRoles = this.#rules.roles;
    const http2 = this.#version === "2";
    for (let index = 0; index < fields.length; index += 2) {
      const name = fields[index] ?? "";
      const value = fields[index + 1] ?? "";
      const role = fieldRoles.roleOf(name);
      // The codec of HTTP/1 has looked at what is not kept.
      if ((http2 || role === roles.PASS) && !checkField(name, value)) throw refused("field-value");
      if (role === roles.PASS) kept.push(name, value);
      else this.#special(role, name, value);
    }
  }

  /** Whether Connection says `close`. */
  get close(): boolean {
    return this.#connection?.close === true;
  }

  get expectsContinue(): boolean {
    return this.#expects;
  }

  /** The fields that are decided on and written. */
  finish(hasBody: boolean): SafeFields {
    const unwanted = this.#unwanted(hasBody);
    const fields = unwanted === undefined ? this.#kept : without(this.#kept, unwanted);
    markChecked(fields);
    return fields;
  }

  #special(role: number, name: string, value: string): void {
    const action = role & roles.ACTION;
    if (action === roles.REMOVE || action === roles.PROTECTED) return;
    if (action === roles.COOKIE && this.#version === "2") this.#crumb(value);
    else if (!this.#readsAlone(action, value)) this.#keep(role, name, value);
  }

  /** Takes what a field says to us. @returns whether nobody else is to see it */
  #readsAlone(action: number, value: string): boolean {
    switch (action) {
      case roles.HOST:
        if (this.host !== undefined) throw refused("two-hosts");
        this.host = value;
        return true;
      case roles.CONNECTION:
        this.#onlyHttp1();
        this.#connection ??= new ConnectionField();
        this.#connection.read(value, this.#rules.roles, badRequest);
        return true;
      case roles.TRANSFER_ENCODING:
        this.#onlyHttp1();
        return true;
      case roles.UPGRADE:
        this.#onlyHttp1();
        if (value.toLowerCase().includes("websocket")) throw refused("websocket");
        return true;
      case roles.TE:
        this.#te(value);
        return true;
      case roles.EXPECT:
        return !this.#expect(value);
      case roles.REQUEST_ID:
        this.#requestIds += 1;
        if (!isRequestId(value)) this.#requestIdGood = false;
        return false;
      case roles.TRACEPARENT:
        this.#traceparents += 1;
        if (!isTraceparent(value)) this.#traceGood = false;
        return false;
      case roles.TRACESTATE:
        this.#tracestate = true;
        return false;
      case roles.VIA:
        if (viaNames(value, this.#rules.via)) throw new RefusedError(LOOP);
        return false;
      case roles.OVERRIDE:
        throw refused("override");
      case roles.BROWSER:
        throw refused("browser");
      default:
        return false;
    }
  }

  #keep(role: number, name: string, value: string): void {
    if (this.#version !== "2" && !checkField(name, value)) throw refused("field-value");
    if ((role & roles.NAMED) !== 0 && fieldValue(this.#kept, name) !== undefined) throw refused("field-twice");
    this.#kept.push(name, value);
  }

  /** A part of HTTP/2's one cookie. */
  #crumb(value: string): void {
    if (this.#cookieAt === -1) {
      this.#cookieAt = this.#kept.length;
      this.#kept.push("cookie", value);
    } else {
      // It would end in a space.
      if (value === "") throw refused("field-value");
      this.#kept[this.#cookieAt + 1] += `; ${value}`;
    }
  }

  /** HTTP/2 has no connection-specific fields (RFC 9113 section 8.2.2). */
  #onlyHttp1(): void {
    if (this.#version === "2") throw refused("connection-field");
  }

  #te(value: string): void {
    if (value === "trailers") this.acceptsTrailers = this.#version !== "1.0";
    else if (this.#version === "2") throw refused("te");
    else if (this.#version === "1.1") {
      forEachElement(value.toLowerCase(), (element) => {
        if (element === "trailers") this.acceptsTrailers = true;
      });
    }
  }

  /** An HTTP/1.0 client knows no expectations (RFC 9110 section 10.1.1). @returns whether it is one */
  #expect(value: string): boolean {
    if (this.#version === "1.0") return false;
    if (this.#expects || value.toLowerCase() !== "100-continue") throw new RefusedError(EXPECTATION);
    this.#expects = true;
    return true;
  }

  /** Names of fields that were kept and are to go; undefined: none. */
  #unwanted(hasBody: boolean): ReadonlySet<string> | undefined {
    let unwanted = this.#connection?.nominated;
    if (this.#requestIds > 0 && (this.#requestIds > 1 || !this.#requestIdGood)) {
      this.#rules.count("request-id-replaced");
      unwanted = withName(unwanted, "x-request-id");
    }
    const traced = this.#traceparents === 1 && this.#traceGood;
    // Whoever finds no trace that it can read ignores the state as well, or it would follow another trace.
    if (!traced && this.#traceparents > 0) unwanted = withName(unwanted, "traceparent");
    if (!traced && this.#tracestate) unwanted = withName(unwanted, "tracestate");
    // Nobody waits before sending nothing.
    if (this.#expects && !hasBody) unwanted = withName(unwanted, "expect");
    return unwanted;
  }
}

const LOOP: HttpRefusal = { status: 508, code: "MCA_PROXY_LOOP", reason: "via" };
const EXPECTATION: HttpRefusal = { status: 417, code: "MCA_PROXY_EXPECTATION_REFUSED", reason: "expectation" };

function withName(names: Set<string> | undefined, name: string): Set<string> {
  return (names ?? new Set()).add(name);
}

function refused(reason: string): RefusedError {
  return new RefusedError(badRequest(reason));
}
