// A request's or response's head as it was parsed, before anything is stripped: what the codecs give and the screens take.
import type { BodyFraming, FieldList } from "./exchange.ts";

export interface RawRequestHead {
  readonly version: "1.0" | "1.1" | "2";
  readonly method: string;
  /** As it came. */
  readonly target: string;
  /** HTTP/2: `:authority`; undefined where there is none, and in HTTP/1. `host` fields stay in `fields`. */
  readonly authority: string | undefined;
  /** Every field as it came, names in lower case. */
  readonly fields: FieldList;
  readonly framing: BodyFraming;
}

export interface RawResponseHead {
  readonly version: "1.0" | "1.1" | "2";
  readonly status: number;
  readonly fields: FieldList;
  readonly framing: BodyFraming;
  /** The body ends with the connection (HTTP/1 only). */
  readonly untilClose: boolean;
}
