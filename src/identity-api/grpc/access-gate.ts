// Before a handler does anything: may this caller use this method? The access table answers; here its inputs are fetched, and the
// use of the break-glass socket is told.
import type { Ledger } from "../../ca/index.ts";
import type { Clock, Logger } from "../../runtime/index.ts";
import { type AllowedAccess, authorize, type Caller, requireAccess, rolesOf } from "../access/index.ts";
import type { Registry } from "../registry/index.ts";
import type { Call } from "./calls.ts";

export interface AccessGateOptions {
  /** Undefined while this server has no rules of its own database (a database of another trust domain): then nobody has roles. */
  readonly registry: Registry | undefined;
  readonly ledger: Ledger | undefined;
  /** A development trust domain: its socket asks for no reason. */
  readonly development: boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** An allowed call, and who makes it. */
export interface AdmittedCaller extends Caller {
  readonly decision: AllowedAccess;
}

export class AccessGate {
  readonly #options: AccessGateOptions;

  constructor(options: AccessGateOptions) {
    this.#options = options;
  }

  /** For methods that are open to everybody with the right evidence: no roles are looked up. @throws AccessError */
  admitOpen(call: Call): AdmittedCaller {
    return this.#require(call, new Set(), undefined);
  }

  /** For methods that ask for a role; roles are looked up by the current rules at each call. @throws AccessError */
  async admit(call: Call, use?: string): Promise<AdmittedCaller> {
    const caller = this.#require(call, await this.#roles(call), use);
    if (caller.decision.breakGlass) await this.#tellBreakGlass(call, caller);
    return caller;
  }

  /** Whether the caller may use the method this way, without refusing the call. */
  async may(call: Call, use: string): Promise<boolean> {
    const caller = this.#describe(call, await this.#roles(call));
    return authorize(call.method, caller, use).kind === "allowed";
  }

  async #roles(call: Call): Promise<Caller["roles"]> {
    const { registry, ledger } = this.#options;
    if (registry === undefined || ledger === undefined) return new Set();
    return rolesOf(call.connection.verdict, registry.rules(), ledger.lineages);
  }

  #describe(call: Call, roles: Caller["roles"]): Caller {
    const { verdict } = call.connection;
    return { verdict, roles, reason: reasonOf(call), development: this.#options.development };
  }

  #require(call: Call, roles: Caller["roles"], use: string | undefined): AdmittedCaller {
    const caller = this.#describe(call, roles);
    return { ...caller, decision: requireAccess(call.method, caller, use) };
  }

  /** Into the log as an alarm and into the ledger with its reason, before anything is done. */
  async #tellBreakGlass(call: Call, caller: AdmittedCaller): Promise<void> {
    const { logger, ledger, clock } = this.#options;
    const { method, requestId } = call;
    const facts = { method, requestId, reason: caller.reason };
    logger.warn({ event: "access.break_glass", alarm: true, ...facts }, "the local socket was used for administration");
    try {
      await ledger?.transact(async (tx) => {
        tx.append({
          kind: "access.called",
          time: clock.now(),
          method,
          requester: "local",
          address: call.connection.address,
          requestId,
          ...(caller.reason === undefined ? {} : { reason: caller.reason }),
        });
      });
    } catch (error) {
      // Without the ledger nothing can be changed, but an auditor in an emergency is still to be answered.
      logger.error(
        { event: "access.break_glass_unrecorded", alarm: true, ...facts, error },
        "the ledger did not take the record of this use",
      );
    }
  }
}

function reasonOf(call: Call): string | undefined {
  const value = call.header("mca-reason");
  return value === "" ? undefined : value;
}
