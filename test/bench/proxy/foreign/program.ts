// What a foreign proxy of the bench is: how it is found, asked for its version, configured and started.
import type { Ports, Role } from "../subject.ts";

/** Calls below this path are allowed; that of the bench's traffic lies there. */
export const CALLS_BELOW = "/api/v1/items/";

export interface ForeignOptions {
  /** Its own, empty; for configuration, temporary files and logs. */
  readonly folder: string;
  readonly identityFolder: string;
  readonly backend: Ports;
  readonly ports: ReadonlyMap<Role, number>;
  /** SHA-1 of the client's certificate, upper-case hex: what these programs know certificates by. */
  readonly clientSha1: string;
  /** From clients. */
  readonly maxConnections: number;
  /** What `versionArguments` print: how it was built. */
  readonly built: string;
}

export interface ForeignProgram {
  readonly name: string;
  readonly tag: "haproxy" | "nginx";
  readonly program: string;
  readonly versionArguments: readonly string[];
  /** @param built what `versionArguments` print */
  roles(built: string): readonly Role[];
  /** Writes its configuration. Answers the command that runs it in the foreground. */
  command(path: string, options: ForeignOptions): readonly string[];
}
