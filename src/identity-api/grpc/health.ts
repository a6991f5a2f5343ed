// The standard gRPC health service (grpc.health.v1), following readiness. Our own and not that of grpc-health-check, of which only the
// definition is used: that one remembers every name that anybody ever watched, and bounds no watchers.
import { service } from "grpc-health-check";
import type { Logger } from "../../runtime/index.ts";
import { ApiError } from "../api-error.ts";
import type { Readiness } from "../readiness.ts";
import type { Call, Calls, OutgoingStream } from "./calls.ts";
import type { Definition } from "./definition.ts";
import { StreamShares, shuttingDown } from "./stream-shares.ts";
import type { Method } from "./wire/method.ts";

type Status = "SERVING" | "NOT_SERVING" | "SERVICE_UNKNOWN";
interface HealthResponse {
  readonly status: Status;
}
interface Watcher {
  /** The state may be another one now. */
  tell(): void;
  end(error: ApiError): void;
}

/** Our services, as health is asked about them; "" is the server as a whole. They are healthy together. */
const SERVICES = [
  "",
  "meshca.identity.v1.IdentityService",
  "meshca.identity.v1.RegistryService",
  "meshca.identity.v1.TokenService",
  "meshca.identity.v1.AuditService",
  "meshca.identity.v1.AuthorityService",
];

export interface HealthOptions {
  readonly calls: Calls;
  readonly readiness: Readiness;
  /** Open Watch streams in all. */
  readonly maxWatchers: number;
  readonly logger: Logger;
}

export class Health {
  readonly #calls: Calls;
  readonly #shares: StreamShares;
  readonly #watchers = new Set<Watcher>();
  #status: Status = "NOT_SERVING";
  #closed = false;

  constructor({ calls, readiness, maxWatchers, logger }: HealthOptions) {
    this.#calls = calls;
    this.#shares = new StreamShares({ what: "health streams", most: maxWatchers });
    let told: boolean | undefined;
    readiness.onChange(({ ready, reasons }) => {
      // Watchers are told of changes only, not of each reason more or less.
      if (ready !== told) this.#become(ready ? "SERVING" : "NOT_SERVING");
      told = ready;
      if (ready) logger.info({ event: "health.serving" }, "ready: identities are issued");
      else logger.warn({ event: "health.not_serving", reasons }, "not ready: see reasons");
    });
  }

  get methods(): Readonly<Record<string, Method>> {
    return {
      check: this.#calls.unary(definitionOf("Check"), async (request) => {
        if (SERVICES.includes(nameIn(request))) return { status: this.#status };
        throw new ApiError("MCA_NOT_FOUND", "This server has no such service. Ask reflection what there is.");
      }),
      list: this.#calls.unary(definitionOf("List"), async () => ({
        statuses: Object.fromEntries(SERVICES.map((name) => [name, { status: this.#status }])),
      })),
      watch: this.#calls.stream(definitionOf("Watch"), (request, call, stream) =>
        this.#watch(nameIn(request), call, stream),
      ),
    };
  }

  /** What nobody has registered stays unknown, as the standard wants it: the stream is held open and told nothing more. */
  #watch(name: string, call: Call, stream: OutgoingStream<HealthResponse>): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw shuttingDown();
      let last: Status | undefined;
      let behind = false;
      const watcher: Watcher = {
        tell: () => {
          const status = SERVICES.includes(name) ? this.#status : "SERVICE_UNKNOWN";
          if (behind || status === last) return;
          last = status;
          if (stream.write({ status }) || !stream.writableNeedDrain) return;
          // One who does not read holds one message, and is told the newest state when it reads again.
          behind = true;
          stream.once("drain", () => {
            behind = false;
            watcher.tell();
          });
        },
        end: (error) => {
          leave();
          reject(error);
        },
      };
      const giveBack = this.#shares.take(call.connection, watcher.end);
      const leave = (): void => {
        this.#watchers.delete(watcher);
        giveBack();
      };
      this.#watchers.add(watcher);
      stream.once("close", () => {
        leave();
        resolve();
      });
      watcher.tell();
    });
  }

  /** Ends every Watch, so that callers come back to another replica. */
  close(): void {
    this.#closed = true;
    for (const watcher of [...this.#watchers]) watcher.end(shuttingDown());
  }

  #become(status: Status): void {
    this.#status = status;
    for (const watcher of this.#watchers) watcher.tell();
  }
}

function definitionOf(name: string): Definition<object, object> {
  const definition = service[name];
  if (definition === undefined) throw new TypeError(`this version of grpc-health-check has no ${name}`);
  return definition;
}

/** HealthCheckRequest.service. */
function nameIn(request: object): string {
  return "service" in request && typeof request.service === "string" ? request.service : "";
}
