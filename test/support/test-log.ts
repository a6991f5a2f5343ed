// A log that tests can read.
import type { LogFields, Logger } from "../../src/runtime/index.ts";

/** A logger that tells every line from `info` up to `take`. */
export function recordingLogger(take: (level: string, fields: LogFields, message: string) => void): Logger {
  const write =
    (level: string) =>
    (fields: LogFields, message: string): void =>
      take(level, fields, message);
  const logger: Logger = {
    debug() {},
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
    fatal: write("fatal"),
    child: () => logger,
  };
  return logger;
}

export class TestLog {
  readonly lines: (LogFields & { readonly level: string })[] = [];

  get logger(): Logger {
    return recordingLogger((level, fields) => this.lines.push({ level, ...fields }));
  }

  of(event: string): readonly LogFields[] {
    return this.lines.filter((line) => line.event === event);
  }
}
