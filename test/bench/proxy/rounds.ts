// Paired rounds: in each, the reference and ours do the same work one after the other (whoever goes first changes), and only the
// CPU time of the process that is measured counts. The figure is the median of the rounds' ratios: what the machine did meanwhile
// to one round happened to both sides of it.
import { median } from "../report.ts";
import type { Role, Subject } from "./subject.ts";

export interface Paired {
  /** Microseconds of CPU for each unit of work. */
  readonly referenceUs: number;
  readonly oursUs: number;
  /** Median of ours / reference. */
  readonly ratio: number;
}

export interface PairedRun {
  readonly reference: Subject;
  readonly ours: Subject;
  readonly role: Role;
  readonly rounds: number;
  readonly perRound: number;
  /** Work before the first round, for the compilers: what is measured is a process that has been running for a while. */
  readonly warmUp: number;
  /** Called once for each subject before its first round, and once after its last. */
  readonly open?: (subject: Subject, port: number) => Promise<void>;
  readonly work: (subject: Subject, port: number, count: number) => Promise<void>;
  readonly close?: (subject: Subject) => Promise<void>;
}

export async function measurePaired(run: PairedRun): Promise<Paired | undefined> {
  const { reference, ours, role, rounds, perRound } = run;
  const ports = new Map([reference, ours].map((subject) => [subject, subject.port(role)]));
  const workOn = async (subject: Subject, count: number): Promise<number> => {
    const before = subject.cpuSeconds(role);
    await run.work(subject, ports.get(subject) ?? 0, count);
    return ((subject.cpuSeconds(role) - before) * 1e6) / count;
  };
  for (const [subject, port] of ports) {
    if (port === undefined) return undefined;
    await run.open?.(subject, port);
    await workOn(subject, run.warmUp);
  }
  const measured: { referenceUs: number; oursUs: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) {
      const referenceUs = await workOn(reference, perRound);
      measured.push({ referenceUs, oursUs: await workOn(ours, perRound) });
    } else {
      const oursUs = await workOn(ours, perRound);
      measured.push({ referenceUs: await workOn(reference, perRound), oursUs });
    }
  }
  for (const subject of ports.keys()) await run.close?.(subject);
  return {
    referenceUs: median(measured.map(({ referenceUs }) => referenceUs)),
    oursUs: median(measured.map(({ oursUs }) => oursUs)),
    ratio: median(measured.map(({ referenceUs, oursUs }) => oursUs / referenceUs)),
  };
}
