// A worker: a process that serves connections and holds nothing that it was not told. It lives as long as its channel to the primary, and
// takes no orders but from there: signals that reach the whole group are the primary's to understand.

import { systemClock } from "../../runtime/clock.ts";
import { MeshCaError } from "../../runtime/errors.ts";
import { createLogger } from "../../runtime/logging.ts";
import { systemRandom } from "../../runtime/random.ts";
import { collectStartUpGarbage } from "../../runtime/start-up-garbage.ts";
import { keepTickShape } from "../../runtime/tick-shape.ts";
import { DataProcess } from "./data-process.ts";
import { type FromWorker, parseToWorker, type ToWorker } from "./messages.ts";
import { WorkerState } from "./worker-state.ts";

interface Serving {
  readonly data: DataProcess;
  readonly state: WorkerState;
}

let serving: Serving | undefined;

/** @param told called when it was written, or cannot be: the primary has gone, and this process is about to end, too */
function tell(message: FromWorker, told: () => void = () => {}): void {
  process.send?.(message, undefined, undefined, told);
}

async function start({ config, state: first }: Extract<ToWorker, { kind: "start" }>): Promise<void> {
  const logger = createLogger({ level: config.log.level }).child({ worker: process.pid });
  const state = new WorkerState(first);
  const data = new DataProcess({ config, state, clock: systemClock, random: systemRandom, logger, shared: true });
  serving = { data, state };
  try {
    await data.plane.listen();
  } catch (error) {
    const code = error instanceof MeshCaError ? error.code : "MCA_INTERNAL";
    tell({ kind: "failed", code, sentence: error instanceof Error ? error.message : String(error) });
    return;
  }
  tell({ kind: "listening", addresses: [...data.plane.addresses()] });
  tell({ kind: "state-taken", revision: state.current().revision });
  collectStartUpGarbage();
}

async function drain(graceMs: number): Promise<void> {
  if (serving === undefined) process.exit(0);
  await serving.data.drain(graceMs);
  tell({ kind: "metrics-answer", question: 0, snapshot: serving.data.snapshot() }, () => process.exit(0));
}

function take(message: ToWorker): void {
  switch (message.kind) {
    case "start":
      void start(message);
      return;
    case "state":
      // What cannot be taken ends this process: one that goes on with old trust would be worse than none.
      serving?.state.apply(message);
      tell({ kind: "state-taken", revision: message.revision });
      return;
    case "drain":
      void drain(message.graceMs);
      return;
    case "pulse-question":
      tell({ kind: "pulse-answer" });
      return;
    case "metrics-question":
      if (serving === undefined) return;
      tell({ kind: "metrics-answer", question: message.question, snapshot: serving.data.snapshot() });
      return;
  }
}

keepTickShape();
for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"] as const) {
  process.on(signal, () => {});
}
process.on("message", (value: unknown) => {
  const message = parseToWorker(value);
  if (message !== undefined) take(message);
});
tell({ kind: "hello" });
