// Values from the command line. Each reader throws CliError MCA_CLI_USAGE with the option's name and an example.
import { readFile } from "node:fs/promises";
import { CliError } from "./errors.ts";

const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

function usage(sentence: string): CliError {
  return new CliError("MCA_CLI_USAGE", sentence);
}

/** "90", "90s", "30m", "12h", "7d" as whole seconds. */
export function parseDuration(option: string, value: string): number {
  const match = /^([1-9]\d{0,8})([smhd]?)$/.exec(value);
  if (match === null) throw usage(`${option} is ${JSON.stringify(value)}; give a duration like 90s, 30m, 12h or 7d.`);
  return Number(match[1]) * (UNIT_SECONDS[match[2] ?? ""] ?? 1);
}

/** An RFC 3339 time with its zone, "2026-11-21T09:00:00Z". */
export function parseTime(option: string, value: string): Date {
  const strict = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2})$/.test(value);
  const unixMs = strict ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(unixMs)) {
    throw usage(`${option} is ${JSON.stringify(value)}; give a time with its zone, for example 2026-11-21T09:00:00Z.`);
  }
  return new Date(unixMs);
}

/** "name=value" pairs; a name given twice is an error. */
export function parsePairs(option: string, values: readonly string[]): Record<string, string> {
  const pairs = new Map<string, string>();
  for (const value of values) {
    const at = value.indexOf("=");
    if (at < 1) throw usage(`${option} is ${JSON.stringify(value)}; give NAME=VALUE.`);
    const name = value.slice(0, at);
    if (pairs.has(name)) throw usage(`${option} ${name} is given twice; give it once.`);
    pairs.set(name, value.slice(at + 1));
  }
  return Object.fromEntries(pairs);
}

/** A whole number from `min` to `max`. */
export function parseInteger(option: string, value: string, min: number, max: number): number {
  const number = /^\d{1,15}$/.test(value) ? Number(value) : Number.NaN;
  if (!(number >= min && number <= max)) {
    throw usage(`${option} is ${JSON.stringify(value)}; give a whole number from ${min} to ${max}.`);
  }
  return number;
}

/** The text of a file, or of standard input for "-". */
export async function readTextFile(option: string, file: string): Promise<string> {
  try {
    if (file === "-") return await readStandardInput();
    return await readFile(file, "utf8");
  } catch (cause) {
    throw new CliError("MCA_CLI_FILE", `${option}: ${file} cannot be read. Check the path and who may read it.`, {
      cause,
    });
  }
}

const MAX_INPUT_BYTES = 16 * 1024 * 1024;

async function readStandardInput(): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of process.stdin) {
    bytes += chunk.length;
    if (bytes > MAX_INPUT_BYTES) throw usage(`Standard input is longer than ${MAX_INPUT_BYTES} bytes.`);
    chunks.push(Buffer.from(chunk));
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** For commander: collects a repeated option. */
export function collect(value: string, previous: readonly string[]): readonly string[] {
  return [...previous, value];
}
