// What every engine is given, whatever version of HTTP it speaks.
import type { ObservedEvent } from "../observe/records.ts";
import type { DeadlineWheel } from "./deadlines.ts";
import type { RequestHandler } from "./exchange.ts";
import type { RequestRules, ResponseRules } from "./fields/rules.ts";
import type { RawRequestHead } from "./raw-head.ts";
import type { HttpRefusal } from "./refusal.ts";
import type { HttpTimeouts } from "./timeouts.ts";

export interface EngineOptions {
  readonly timeouts: HttpTimeouts;
  readonly wheel: DeadlineWheel;
  /** What was thrown that nobody expected. */
  onFault(error: unknown): void;
  /** Something that is counted. */
  count(event: ObservedEvent): void;
}

export interface RefusedHead {
  readonly refusal: HttpRefusal;
  readonly protocol: "1.1" | "2";
  /** Undefined: it could not be read. */
  readonly raw: RawRequestHead | undefined;
  /** The client sees the refusal; else its stream was reset. */
  readonly answered: boolean;
}

export interface ServerEngineOptions extends EngineOptions {
  readonly handler: RequestHandler;
  /** The present rules: they change with the policies. */
  readonly rules: () => RequestRules;
  /** A head that was refused before there was an exchange. */
  onRefused(refused: RefusedHead): void;
  /** Policies have changed: whoever handles the exchanges ends those that are no longer allowed. */
  reconsider(): void;
}

export interface ClientEngineOptions extends EngineOptions {
  readonly rules: ResponseRules;
  /** It can take another exchange. */
  onIdle(): void;
  onClosed(): void;
}
