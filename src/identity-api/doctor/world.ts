// What the checks of `mesh-ca doctor` look at: configuration, files, the database (read-only), the running server. Whatever is not
// there is a fact like any other, never an exception.
import type { Database, Queryable } from "../../ca/index.ts";
import type { TrustSnapshot } from "../../proto/gen/meshca/identity/v1/identity.ts";
import type { Clock } from "../../runtime/index.ts";
import type { Config } from "../config/index.ts";
import type { DataDir } from "../data-dir.ts";
import type { ReadinessState } from "../readiness.ts";
import type { Finding } from "./result.ts";

export type DatabaseLook =
  /** `how`: for people, "the server's own PostgreSQL", ... `host`: undefined for a Unix socket. */
  | { readonly kind: "open"; readonly database: Database; readonly how: string; readonly host: string | undefined }
  /** What the check database.reachable says; all others on the database are skipped. */
  | { readonly kind: "absent"; readonly finding: Finding };

export interface RunningServer {
  readonly kind: "running";
  /** Of the operations listener; undefined where it does not answer. */
  readonly readiness: ReadinessState | undefined;
  /** Values of /metrics by name (without labels: added up); empty where it does not answer. */
  readonly metrics: ReadonlyMap<string, number>;
  /** What it tells of trust right now; undefined where it does not answer. */
  trust(): Promise<TrustSnapshot | undefined>;
}

export type ServerLook = RunningServer | { readonly kind: "stopped"; readonly why: string };

export interface DoctorWorld {
  readonly config: Config;
  /** The configuration file, where there is one. */
  readonly configFile: string | undefined;
  readonly dir: DataDir;
  readonly clock: Clock;
  readonly database: DatabaseLook;
  readonly server: ServerLook;
  /** User id of this process. */
  readonly uid: number | undefined;
}

/** A check. It changes nothing and may throw: the runner makes a finding of that. */
export type Check = {
  readonly id: string;
} & (
  | { readonly needs: "nothing"; look(world: DoctorWorld): Promise<readonly Finding[]> }
  /** `tx`: one snapshot, READ ONLY. */
  | { readonly needs: "database"; look(world: DoctorWorld, tx: Queryable): Promise<readonly Finding[]> }
  | { readonly needs: "server"; look(world: DoctorWorld, server: RunningServer): Promise<readonly Finding[]> }
);
