// Reading error codes: from a syntax tree, and from the rows of docs/errors.md.

const CODE = /^MCA_[A-Z0-9_]+$/;
/** A row of the page: | `MCA_X` | GRPC_STATUS | what it means | what to do | */
const ROW = /^\|\s*`(MCA_[A-Z0-9_]+)`\s*\|\s*([A-Z_]+)\s*\|/gm;

/** Every string literal (values and literal types) in a syntax tree that is a whole error code. */
export function codeLiterals(tree: unknown): ReadonlySet<string> {
  const found = new Set<string>();
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) for (const item of value) walk(item);
    else if (typeof value === "object" && value !== null) {
      if ("type" in value && value.type === "Literal" && "value" in value && typeof value.value === "string") {
        if (CODE.test(value.value)) found.add(value.value);
      }
      for (const child of Object.values(value)) walk(child);
    }
  };
  walk(tree);
  return found;
}

/** Code to gRPC status, from the rows of docs/errors.md. */
export function documentedCodes(page: string): ReadonlyMap<string, string> {
  return new Map([...page.matchAll(ROW)].map(([, code = "", status = ""]) => [code, status]));
}
