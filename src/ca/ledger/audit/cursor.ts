// The cursor of a page: where the next page begins, and a fingerprint of both and the question, so that a cursor that was cut or
// belongs to another question is refused instead of silently skipping rows. It is not a secret and proves nothing.
import { createHash } from "node:crypto";
import { LedgerError } from "../errors.ts";
import type { IssuanceQuery } from "./query.ts";

/** The last row of a page: log index, and its SPIFFE ID where the order is by SPIFFE ID. */
export interface Position {
  readonly logIndex: bigint;
  readonly spiffeId: string;
}

const FINGERPRINT_BYTES = 8;

function fingerprint(query: IssuanceQuery, { logIndex, spiffeId }: Position): string {
  const { cursor: _cursor, pageSize: _pageSize, ...question } = query;
  const given = Object.entries(question).filter(([, value]) => value !== undefined);
  const text = JSON.stringify([given.sort(([a], [b]) => (a < b ? -1 : 1)), logIndex.toString(), spiffeId]);
  return createHash("sha256").update(text).digest().subarray(0, FINGERPRINT_BYTES).toString("base64url");
}

/** The cursor that continues `query` after `position`. */
export function encodeCursor(query: IssuanceQuery, position: Position): string {
  const text = `${fingerprint(query, position)} ${position.logIndex} ${position.spiffeId}`;
  return Buffer.from(text, "utf8").toString("base64url");
}

/** Reads the cursor of `query`. @throws LedgerError MCA_QUERY_INVALID when it is not one of this question. */
export function decodeCursor(query: IssuanceQuery): Position | undefined {
  if (query.cursor === undefined || query.cursor === "") return undefined;
  const text = Buffer.from(query.cursor, "base64url").toString("utf8");
  const match = /^([\w-]{11}) (\d{1,19}) (spiffe:\/\/[\x21-\x7e]{1,2048})$/.exec(text);
  const [, mark, logIndex = "0", spiffeId = ""] = match ?? [];
  const position = { logIndex: BigInt(logIndex), spiffeId };
  if (match === null || mark !== fingerprint(query, position)) {
    throw new LedgerError(
      "MCA_QUERY_INVALID",
      "The cursor does not belong to this question. Ask the first page without a cursor, and keep filters and order the same for the pages after it.",
    );
  }
  return position;
}
