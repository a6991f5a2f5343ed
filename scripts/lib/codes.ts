// Reading error codes: from a syntax tree, and from the rows of docs/errors.md.
import { stringsOf } from "./syntax.ts";

const CODE = /^MCA_[A-Z0-9_]+$/;
/** A row of the page: | `MCA_X` | GRPC_STATUS | what it means | what to do | */
const ROW = /^\|\s*`(MCA_[A-Z0-9_]+)`\s*\|\s*([A-Z_]+)\s*\|/gm;

/** Every string literal (values and literal types) in a syntax tree that is a whole error code. */
export function codeLiterals(tree: unknown): ReadonlySet<string> {
  return new Set(stringsOf(tree).filter((text) => CODE.test(text)));
}

/** Code to gRPC status, from the rows of docs/errors.md. */
export function documentedCodes(page: string): ReadonlyMap<string, string> {
  return new Map([...page.matchAll(ROW)].map(([, code = "", status = ""]) => [code, status]));
}
