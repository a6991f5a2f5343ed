// From a connection string to what pg is told. The string is read here and nowhere else, because pg lets it override everything:
// `?sslmode=no-verify` at its end would undo the verification that the configuration asks for.
import type { ConnectionOptions } from "node:tls";
import { StoreError } from "./errors.ts";

export type DatabaseRole = "mesh_ca_app" | "mesh_ca_audit";

export interface ConnectionSettings {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string | undefined;
  readonly database: string;
  readonly ssl: ConnectionOptions | false;
}

const DEFAULT_PORT = 5432;

/**
 * Reads postgresql://user:password@host:port/database, or postgresql://user@/database?host=/socket/folder.
 * @throws StoreError MCA_DATABASE_URL_INVALID; MCA_DATABASE_INSECURE for TCP without `tls`, or an sslmode below verify-full
 */
export function connectionSettings(
  connectionString: string,
  tls: ConnectionOptions | "plaintext" | undefined,
): ConnectionSettings {
  const url = parseUrl(connectionString);
  const parameters = new Map(url.searchParams);
  const host = parameters.get("host") ?? decodeURIComponent(url.hostname).replace(/^\[(.*)\]$/, "$1");
  const port = parameters.get("port") ?? url.port;
  for (const name of parameters.keys()) {
    if (name === "host" || name === "port" || name === "sslmode") continue;
    throw invalid(`its parameter ${name} is not supported; host, port and sslmode are`);
  }
  if (host === "") throw invalid("it names no host");
  if (url.username === "") throw invalid("it names no user");
  if (port !== "" && !/^\d{1,5}$/.test(port)) throw invalid("its port is not a number");
  return {
    host,
    port: port === "" ? DEFAULT_PORT : Number(port),
    user: decodeURIComponent(url.username),
    password: url.password === "" ? undefined : decodeURIComponent(url.password),
    database: decodeURIComponent(url.pathname.slice(1)) || decodeURIComponent(url.username),
    ssl: transportSecurity(host, parameters.get("sslmode"), tls),
  };
}

/** The host that a connection string names; undefined for a Unix socket. @throws StoreError MCA_DATABASE_URL_INVALID */
export function databaseHost(connectionString: string): string | undefined {
  const { host } = connectionSettings(connectionString, "plaintext");
  return host.startsWith("/") ? undefined : host;
}

function parseUrl(connectionString: string): URL {
  // The WHATWG parser gives schemes it does not know no empty host with a user: ask it about one that it lets through.
  const match = /^postgres(?:ql)?:\/\/([^/?#]*@)?(\/.*)$/.exec(connectionString);
  const text = match === null ? connectionString : `postgresql://${match[1] ?? ""}localhost${match[2]}`;
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw invalid("it is not a URL");
  }
  if (url.protocol !== "postgresql:" && url.protocol !== "postgres:") {
    throw invalid("it does not begin with postgresql://");
  }
  if (match !== null && !url.searchParams.has("host")) throw invalid("it names no host");
  return url;
}

function transportSecurity(
  host: string,
  sslmode: string | undefined,
  tls: ConnectionOptions | "plaintext" | undefined,
): ConnectionOptions | false {
  if (sslmode !== undefined && sslmode !== "verify-full") {
    throw new StoreError(
      "MCA_DATABASE_INSECURE",
      `The connection string asks for sslmode=${sslmode}, which does not verify the server. Remove it (verify-full is what mesh-ca does), or name the connection insecure with database.tls: insecure-plaintext.`,
    );
  }
  if (host.startsWith("/")) return false; // a Unix socket: the file system guards it
  if (tls === "plaintext") return false;
  if (tls === undefined) {
    throw new StoreError(
      "MCA_DATABASE_INSECURE",
      `The database at ${host} is reached over the network without TLS. Set database.tls: verify-full, with database.caFile if its CA is not public, or name the connection insecure with database.tls: insecure-plaintext.`,
    );
  }
  // pg adds the servername. What the options say about verification does not count: it is always on.
  return { ...tls, rejectUnauthorized: true };
}

function invalid(why: string): StoreError {
  return new StoreError(
    "MCA_DATABASE_URL_INVALID",
    `The database connection string cannot be used: ${why}. Write postgresql://user:password@host:5432/database.`,
  );
}

export interface SessionLimits {
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs: number;
  readonly idleInTransactionTimeoutMs: number;
}

/** Run-time parameters of a session, as the startup message carries them. `readOnly`: PostgreSQL refuses every change in it. */
export function sessionOptions(role: DatabaseRole | undefined, limits: SessionLimits, readOnly = false): string {
  const values = {
    ...(role === undefined ? {} : { role }),
    ...(readOnly ? { default_transaction_read_only: "on" } : {}),
    TimeZone: "UTC",
    DateStyle: "ISO",
    bytea_output: "hex",
    search_path: "public",
    synchronous_commit: "on",
    statement_timeout: String(limits.statementTimeoutMs),
    lock_timeout: String(limits.lockTimeoutMs),
    idle_in_transaction_session_timeout: String(limits.idleInTransactionTimeoutMs),
  };
  return Object.entries(values)
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(" ");
}
