// What commands print: results on standard output (a table for people, JSON for programs), everything else on standard error,
// so that results can be piped.
import { writeFile } from "node:fs/promises";
import { CliError } from "./errors.ts";

/** Prints a result line. */
export function print(text: string): void {
  process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}

/** Prints a hint or a warning; never part of a result. */
export function hint(text: string): void {
  process.stderr.write(text.endsWith("\n") ? text : `${text}\n`);
}

/** Writes a result to the file that an option names, and says so. @throws CliError MCA_CLI_FILE */
export async function writeOutput(option: string, file: string, content: string | Uint8Array): Promise<void> {
  try {
    await writeFile(file, content);
  } catch (cause) {
    throw new CliError("MCA_CLI_FILE", `${option}: ${file} cannot be written. Check the path and its folder.`, {
      cause,
    });
  }
  hint(`written to ${file}`);
}

/** Prints one JSON document: indented for a terminal, on one line for a pipe. bigint as decimal string, bytes as base64. */
export function printJson(value: unknown): void {
  print(toJson(value, process.stdout.isTTY ? 2 : 0));
}

/** JSON as the CLI writes it everywhere. */
export function toJson(value: unknown, indent = 0): string {
  return JSON.stringify(value, replacer, indent);
}

function replacer(_key: string, value: unknown): unknown {
  if (typeof value === "bigint") return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64");
  if (value instanceof Map) return Object.fromEntries(value);
  return value;
}

/** A table with a header, columns as wide as their widest cell. Control characters never reach the terminal. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const lines = [header, ...rows].map((row) => row.map(printable));
  const widths = header.map((_, column) => Math.max(...lines.map((row) => (row[column] ?? "").length)));
  return lines
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Name and value in two columns. */
export function facts(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(...pairs.map(([name]) => name.length));
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${printable(value)}`).join("\n");
}

/** What a stranger wrote (an attribute, a name), without what could steer a terminal. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}|\p{Cf}/gu, "\u{fffd}");
}

/** A time for people: RFC 3339 to the second. */
export function time(value: Date | number | undefined): string {
  if (value === undefined) return "-";
  return new Date(value).toISOString().replace(/\.\d+Z$/, "Z");
}
