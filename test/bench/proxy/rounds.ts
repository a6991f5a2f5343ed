// Rounds: in each, every subject does the same short piece of work, one after the other (the order turns round), and only the CPU time
// of the processes that are measured counts. A ratio is the median of the rounds' ratios: what the machine did meanwhile to one round
// happened to all sides of it.
import { median, tell } from "../report.ts";
import type { Role, Subject } from "./subject.ts";

export interface Measured {
  /** Microseconds of CPU for each unit of work: the median round. */
  readonly us: number;
  /** Over the first subject's of the same round: the median, and what a quarter of the rounds lies below and above. */
  readonly ratio: number;
  readonly quartiles: readonly [number, number];
}

export interface Rounds {
  /** The first is what the others are compared with. Who has no port in the role is left out. */
  readonly subjects: readonly Subject[];
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

/** Microseconds for each unit of work, by round. */
type Spent = Map<number, number>;

/** What has no compiler is warm after so much of the work that the others get. */
const WARM_UP_OF_FOREIGN = 0.1;
/** Foreign programs promise nothing here: a third of the rounds tells enough of them. */
const FOREIGN_EVERY = 3;

/** @throws Error where work fails, but for a foreign subject's: that one is left out, and it is said */
export async function measureRounds(run: Rounds): Promise<ReadonlyMap<Subject, Measured>> {
  const { role, rounds } = run;
  const spent = new Map<Subject, Spent>();
  for (const subject of run.subjects) {
    const port = subject.port(role);
    if (port === undefined) continue;
    await attempt(subject, role, spent, async () => {
      await run.open?.(subject, port);
      spent.set(subject, new Map());
      await run.work(subject, port, Math.ceil(run.warmUp * (subject.foreign ? WARM_UP_OF_FOREIGN : 1)));
    });
  }
  for (let round = 0; round < rounds; round++) {
    const order = [...spent.keys()].filter(({ foreign }) => !foreign || round % FOREIGN_EVERY === 0);
    for (const subject of round % 2 === 0 ? order : order.reverse()) {
      await attempt(subject, role, spent, async () => {
        const before = subject.cpuSeconds();
        await run.work(subject, subject.port(role) ?? 0, run.perRound);
        spent.get(subject)?.set(round, ((subject.cpuSeconds() - before) * 1e6) / run.perRound);
      });
    }
  }
  for (const subject of spent.keys()) await attempt(subject, role, spent, async () => run.close?.(subject));
  return summarized(spent);
}

async function attempt(
  subject: Subject,
  role: Role,
  spent: Map<Subject, unknown>,
  work: () => Promise<unknown>,
): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!subject.foreign) throw error;
    spent.delete(subject);
    tell(`SKIPPED: ${subject.name} as ${role}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function summarized(spent: ReadonlyMap<Subject, Spent>): ReadonlyMap<Subject, Measured> {
  const [reference = new Map<number, number>()] = spent.values();
  return new Map(
    [...spent].map(([subject, own]) => {
      const ratios = [...own].map(([round, us]) => us / (reference.get(round) ?? Number.NaN)).sort((a, b) => a - b);
      const at = (share: number): number => ratios[Math.round((ratios.length - 1) * share)] ?? Number.NaN;
      return [subject, { us: median([...own.values()]), ratio: median(ratios), quartiles: [at(0.25), at(0.75)] }];
    }),
  );
}
