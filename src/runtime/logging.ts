// The log: one JSON line an event, by pino, written at once, because an asynchronous destination loses the last lines when the process
// ends. A full disk or a pipe that nobody empties costs lines, never the process (line-sink.ts). No secret reaches it: fields with the
// names below are struck out, connection URLs lose their password.
import pino from "pino";
import { formatTime, systemClock } from "./clock.ts";
import { LineSink, writerTo } from "./line-sink.ts";
import type { LogFields, Logger } from "./logger.ts";

export type LogLevel = "debug" | "info" | "warn" | "error" | "silent";

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Where lines go. Default: standard error. */
  readonly destination?: { write(line: string): unknown };
}

/** Names that never carry their value into the log, at the top of a line or one level below. */
const SECRET_FIELDS: ReadonlySet<string> = new Set([
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
]);
const REDACTED = "[secret]";
const MAX_CAUSES = 5;
const STANDARD_ERROR = 2;
/** For whoever reads a pipe and is busy. */
const WAIT_MS = 200;

/** The logger of a process. */
export function createLogger(options: LoggerOptions): Logger {
  const logger = pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: describeErrorForLog },
    },
    options.destination ?? standardError(),
  );
  return withoutSecrets(logger);
}

/** One for the process: its loggers share the descriptor. */
let sink: LineSink | undefined;

function standardError(): { write(line: string): void } {
  sink ??= new LineSink({ ...writerTo(STANDARD_ERROR), waitMs: WAIT_MS, lost: lostLine });
  const lines = sink;
  return { write: (line) => lines.line(ascii(line)) };
}

function lostLine(lost: number): string {
  const time = formatTime(systemClock.now());
  const message = "lines of this log were left out: nobody read fast enough, or they could not be written";
  return `{"level":"warn","time":"${time}","event":"log.lost","lost":${lost},"msg":"${message}"}\n`;
}

/** The same JSON without any octet that a descriptor could take for another one. */
function ascii(line: string): string {
  return line.replaceAll(/[^\n\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Strikes secrets out before pino sees them. pino's own redaction copies each line deeply, which costs more than the line. */
function withoutSecrets(logger: pino.Logger): Logger {
  return {
    debug: (fields, message) => logger.debug(strike(fields), message),
    info: (fields, message) => logger.info(strike(fields), message),
    warn: (fields, message) => logger.warn(strike(fields), message),
    error: (fields, message) => logger.error(strike(fields), message),
    fatal: (fields, message) => logger.fatal(strike(fields), message),
    child: (fields) => withoutSecrets(logger.child(strike(fields))),
  };
}

/** The same fields without secrets; a copy only where there is one. */
function strike<Fields extends LogFields | Readonly<Record<string, unknown>>>(fields: Fields): Record<string, unknown> {
  let clean: Record<string, unknown> = fields;
  for (const name in fields) {
    const value: unknown = fields[name];
    const safe = SECRET_FIELDS.has(name) ? REDACTED : strikeBelow(value);
    if (safe === value) continue;
    if (clean === fields) clean = { ...fields };
    clean[name] = safe;
  }
  return clean;
}

function strikeBelow(value: unknown): unknown {
  if (typeof value !== "object" || value === null || value instanceof Error) return value;
  let clean: object = value;
  for (const [name, inner] of Object.entries(value)) {
    if (!SECRET_FIELDS.has(name) || inner === REDACTED) continue;
    clean = { ...clean, [name]: REDACTED };
  }
  return clean;
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
