// Whether other processes live.
import { readFileSync } from "node:fs";

/** Whether a process runs. One that has ended and that nobody has asked for its exit code yet (a zombie) does not. */
export function isAlive(pid: number): boolean {
  try {
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
  } catch {
    return false;
  }
}
