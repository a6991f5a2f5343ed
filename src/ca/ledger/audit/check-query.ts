// Refuses questions that cannot be read, with a sentence that says which part and what to give instead.
import { LedgerError } from "../errors.ts";
import { DEFAULT_PAGE_SIZE, type IssuanceQuery, MAX_PAGE_SIZE } from "./query.ts";

const HEX = /^(?:[0-9a-f]{2})+$/;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** @throws LedgerError MCA_QUERY_INVALID */
export function checkQuery(query: IssuanceQuery): void {
  const size = query.pageSize ?? DEFAULT_PAGE_SIZE;
  if (!Number.isInteger(size) || size < 1 || size > MAX_PAGE_SIZE) {
    throw refused(
      `The page size is ${size}; give a whole number from 1 to ${MAX_PAGE_SIZE}, and follow the cursor for more.`,
    );
  }
  if (query.spiffeId !== undefined && query.spiffeIdPrefix !== undefined) {
    throw refused("A SPIFFE ID and a SPIFFE ID prefix were given together; give one of them.");
  }
  if (query.spiffeIdPrefix?.endsWith("/")) {
    throw refused(
      "The SPIFFE ID prefix ends in a slash; leave it out: the prefix ends on a segment boundary by itself.",
    );
  }
  for (const [name, value] of [
    ["serial", query.serial],
    ["authority", query.authority],
  ] as const) {
    if (value !== undefined && !HEX.test(value)) throw refused(`The ${name} is not lower-case hex.`);
  }
  if (query.lineage !== undefined && !UUID.test(query.lineage))
    throw refused("The lineage is not a UUID in lower case.");
}

function refused(sentence: string): LedgerError {
  return new LedgerError("MCA_QUERY_INVALID", sentence);
}
