// x-request-id: the name of a request across hops. It is written into logs, so only harmless characters are taken from outside.
import { type RandomSource, randomUuid } from "../../../runtime/index.ts";
import { characterTable, consistsOf } from "./characters.ts";

const MAX_CHARACTERS = 128;
const CHARACTERS = characterTable("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

/** Whether a caller's id is taken: 1 to 128 of letters, digits, `.`, `_`, `-`. */
export function isRequestId(text: string): boolean {
  return text.length >= 1 && text.length <= MAX_CHARACTERS && consistsOf(text, CHARACTERS);
}

/** A new one: a random UUID. */
export function newRequestId(random: RandomSource): string {
  return randomUuid(random);
}
