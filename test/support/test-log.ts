// A log that tests can read.
import type { LogFields, Logger } from "../../src/runtime/index.ts";

export class TestLog {
  readonly lines: (LogFields & { readonly level: string })[] = [];

  get logger(): Logger {
    const write =
      (level: string) =>
      (fields: LogFields): void =>
        void this.lines.push({ level, ...fields });
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

  of(event: string): readonly LogFields[] {
    return this.lines.filter((line) => line.event === event);
  }
}
