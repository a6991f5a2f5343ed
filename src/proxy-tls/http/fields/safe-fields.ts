// Fields that the one validator has seen: what the writers accept.
import type { FieldList } from "../exchange.ts";

declare const safe: unique symbol;

/** Names and values of which every character is one that may be written. */
export type SafeFields = FieldList & { readonly [safe]: true };
