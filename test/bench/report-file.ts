// The bench's JSON: the figures by name, and the machine that they were measured on. A run replaces what it measures and keeps the rest,
// so that one file can hold what no machine has the patience to measure in one go; figures of earlier runs keep their own machine.
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import type { Figure } from "./report.ts";

export type Machine = Readonly<Record<string, string | number>>;

export interface Report {
  /** Of the newest run. */
  readonly machine: Machine;
  readonly figures: readonly Figure[];
  /** Which of the figures are of runs before that one. */
  readonly earlier?: readonly EarlierRun[];
}

interface EarlierRun {
  readonly machine: Machine;
  /** Names. */
  readonly figures: readonly string[];
}

/**
 * What a file holds after another run.
 * @param before undefined: no file yet
 * @param families names that begin so were measured anew as a whole: those that are not in the new run are gone
 */
export function mergeReports(before: Report | undefined, run: Report, families: readonly string[]): Report {
  const measured = new Set(run.figures.map(({ name }) => name));
  const kept = (before?.figures ?? []).filter(
    ({ name }) => !measured.has(name) && !families.some((family) => name.startsWith(family)),
  );
  const earlier = runsOf(before)
    .map(({ machine, figures }) => ({
      machine,
      figures: figures.filter((name) => kept.some((one) => one.name === name)),
    }))
    .filter(({ figures }) => figures.length > 0);
  const { machine } = run;
  return { machine, figures: [...kept, ...run.figures], ...(earlier.length === 0 ? {} : { earlier }) };
}

/** The figures' names by run, the newest run last. */
export function runsOf(report: Report | undefined): readonly EarlierRun[] {
  if (report === undefined) return [];
  const { machine, figures, earlier = [] } = report;
  const old = new Set(earlier.flatMap((run) => run.figures));
  return [...earlier, { machine, figures: figures.map(({ name }) => name).filter((name) => !old.has(name)) }];
}

/** @returns undefined where there is no such file. @throws Error where it is not a report of the bench */
export function readReport(file: string): Report | undefined {
  if (!existsSync(file)) return undefined;
  return parseReport(readFileSync(file, "utf8"), file);
}

/** @param name of the file, for the error. @throws Error */
export function parseReport(text: string, name: string): Report {
  const value: unknown = JSON.parse(text);
  const isReport = typeof value === "object" && value !== null && "machine" in value && "figures" in value;
  if (!isReport || !Array.isArray(value.figures)) throw new Error(`${name} holds no figures of the bench`);
  return value as Report; // written by writeReport, or by a person who wants to break the page
}

/** In one step: whoever interrupts it keeps the old file. */
export function writeReport(file: string, report: Report): void {
  writeFileSync(`${file}.new`, `${JSON.stringify(report, null, 2)}\n`);
  renameSync(`${file}.new`, file);
}
