// The published JSON Schemas of the entries (schema/<kind>.json), and the check that keeps administrative entries to them. Entries
// of issuances are written by one function each, which tests hold to the same schemas.
import { readdirSync, readFileSync } from "node:fs";
import { Compile, type Validator } from "typebox/schema";
import { LedgerError } from "./errors.ts";

const FOLDER = new URL("./schema/", import.meta.url);
let validators: ReadonlyMap<string, Validator> | undefined;

/** @throws LedgerError MCA_ENTRY_INVALID when the entry is not what its kind's schema says */
export function checkEntry(fields: { readonly kind: string }): void {
  validators ??= readSchemas();
  const validator = validators.get(fields.kind);
  if (validator === undefined) {
    throw new LedgerError("MCA_ENTRY_INVALID", `There is no kind of ledger entry called ${fields.kind}.`);
  }
  const [valid, errors] = validator.Errors(fields);
  if (valid) return;
  const problems = errors.slice(0, 3).map(({ instancePath, message }) => `${instancePath || "/"} ${message}`);
  throw new LedgerError(
    "MCA_ENTRY_INVALID",
    `The ledger entry ${fields.kind} is not well formed: ${problems.join("; ")}.`,
  );
}

function readSchemas(): ReadonlyMap<string, Validator> {
  const suffix = ".json";
  return new Map(
    readdirSync(FOLDER)
      .filter((file) => file.endsWith(suffix))
      .map((file) => {
        const schema: unknown = JSON.parse(readFileSync(new URL(file, FOLDER), "utf8"));
        if (typeof schema !== "object" || schema === null) throw new TypeError(`${file} is not a JSON Schema`);
        return [file.slice(0, -suffix.length), Compile(schema)];
      }),
  );
}
