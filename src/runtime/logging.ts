// The log: one JSON line an event, by pino, written synchronously, because an asynchronous destination loses the last lines
// when the process ends. No secret reaches it: fields with the names below are struck out, connection URLs lose their password.
import pino from "pino";
import type { Logger } from "./logger.ts";

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Where lines go. Default: standard error. */
  readonly destination?: { write(line: string): unknown };
}

/** Names that never carry their value into the log, at the top of a line or one level below. */
const SECRET_FIELDS = [
  "token",
  "joinToken",
  "jwt",
  "secret",
  "password",
  "privateKey",
  "privateKeyPem",
  "key",
  "csr",
  "pem",
  "authorization",
];
const REDACTED = "[secret]";
const MAX_CAUSES = 5;

/** The logger of a process. */
export function createLogger(options: LoggerOptions): Logger {
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: SECRET_FIELDS.flatMap((name) => [name, `*.${name}`]), censor: REDACTED },
      serializers: { error: describeErrorForLog },
    },
    options.destination ?? pino.destination({ fd: 2, sync: true }),
  );
}

/** An error with its code, its causes and its stack, without what could carry a secret. */
export function describeErrorForLog(error: unknown): unknown {
  return describe(error, 0);
}

function describe(error: unknown, depth: number): unknown {
  if (!(error instanceof Error)) return withoutPasswords(String(error));
  const facts: Record<string, unknown> = { name: error.name, message: withoutPasswords(error.message) };
  if ("code" in error && typeof error.code === "string") facts["code"] = error.code;
  if ("details" in error && typeof error.details === "object") facts["details"] = error.details;
  if (depth === 0 && error.stack !== undefined) facts["stack"] = withoutPasswords(error.stack);
  if (error.cause !== undefined && depth < MAX_CAUSES) facts["cause"] = describe(error.cause, depth + 1);
  return facts;
}

function withoutPasswords(text: string): string {
  return text
    .replaceAll(/(\b[a-z][a-z0-9+.-]*:\/\/[^\s:/@]*):[^\s@]*@/gi, `$1:${REDACTED}@`)
    .replaceAll(/mcajt1\.[\w-]+/g, `mcajt1.${REDACTED}`);
}
