// The server's database: embedded in the data directory, or somebody's PostgreSQL by URL with verified TLS.
import { readFile } from "node:fs/promises";
import { checkSchema, type Database, migrate, openDatabase, StoreError, startEmbeddedPostgres } from "../ca/index.ts";
import { ConfigError } from "../runtime/config/index.ts";
import type { Clock, Lifecycle, Logger } from "../runtime/index.ts";
import { webClientTlsOptions } from "../tls/index.ts";
import { decodePem } from "../x509/index.ts";
import { type Config, databaseUrl } from "./config/index.ts";

export interface OpenDatabaseOptions {
  readonly config: Config;
  readonly dataDir: string;
  /** `init`: make the embedded database, and bring an external one up to this schema. */
  readonly initialise: boolean;
  readonly lifecycle: Lifecycle;
  readonly clock: Clock;
  readonly logger: Logger;
}

type ConnectionTls = NonNullable<Parameters<typeof openDatabase>[0]["tls"]>;

/** Opens the database with the rights of the application. @throws StoreError, ConfigError */
export async function openServerDatabase(options: OpenDatabaseOptions): Promise<Database> {
  const url = await databaseUrl(options.config);
  return url === undefined ? openEmbedded(options) : openExternal(options, url);
}

/** The embedded server is ours alone, so that it is brought up to this program's schema at each start. */
async function openEmbedded({
  config,
  dataDir,
  initialise,
  lifecycle,
  clock,
  logger,
}: OpenDatabaseOptions): Promise<Database> {
  const postgres = await startEmbeddedPostgres({ dataDir, create: initialise, logger });
  lifecycle.add("embedded PostgreSQL", () => postgres.stop());
  const { connectionString } = postgres;
  await migrateAsOwner({ connectionString, logger }, clock);
  return openAsApplication({ connectionString, poolSize: config.database.poolSize, logger }, lifecycle);
}

/** Somebody else's database is migrated by `init` or `mesh-ca db migrate`; the server only checks. */
async function openExternal(options: OpenDatabaseOptions, connectionString: string): Promise<Database> {
  const { config, initialise, lifecycle, clock, logger } = options;
  const tls = await databaseTls(config);
  if (initialise) await migrateWhereAllowed({ connectionString, tls, logger }, clock);
  const database = await openAsApplication(
    { connectionString, tls, poolSize: config.database.poolSize, logger },
    lifecycle,
  );
  await checkSchema(database);
  return database;
}

/** TLS with the certificate and the host name verified, unless the configuration names the connection insecure. */
export async function databaseTls(config: Config): Promise<ConnectionTls> {
  if (config.database.tls === "insecure-plaintext") return "plaintext";
  const { caFile } = config.database;
  return webClientTlsOptions(caFile === null ? {} : { caPem: await readCaFile(caFile) });
}

/** Node passes over a file without a certificate in silence, and each connection would then be refused for a reason that misleads. */
async function readCaFile(file: string): Promise<string> {
  let why: string;
  try {
    const pem = await readFile(file, "utf8");
    if (decodePem(pem).some(({ label }) => label === "CERTIFICATE")) return pem;
    why = "There is no certificate in it.";
  } catch (error) {
    why = error instanceof Error ? error.message : String(error);
  }
  throw new ConfigError(
    "MCA_CONFIG_UNREADABLE",
    `database.caFile ${file} cannot be used. ${why} Give it the PEM file with the CA certificates of the database.`,
  );
}

interface Connecting {
  readonly connectionString: string;
  readonly tls?: ConnectionTls;
  readonly poolSize?: number;
  readonly logger: Logger;
}

async function openAsApplication(connecting: Connecting, lifecycle: Lifecycle): Promise<Database> {
  const database = await openDatabase({ ...connecting, role: "mesh_ca_app", applicationName: "mesh-ca" });
  lifecycle.add("database", () => database.close());
  return database;
}

async function migrateAsOwner(connecting: Connecting, clock: Clock): Promise<void> {
  const owner = await openDatabase({ ...connecting, poolSize: 1, applicationName: "mesh-ca migrate" });
  try {
    const { applied } = await migrate(owner, { clock });
    if (applied.length > 0)
      connecting.logger.info({ event: "database.migrated", applied }, "the database has a new schema");
  } finally {
    await owner.close();
  }
}

/** A login without the owner's rights is fine where an owner has migrated before; checkSchema says if not. */
async function migrateWhereAllowed(connecting: Connecting, clock: Clock): Promise<void> {
  try {
    await migrateAsOwner(connecting, clock);
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== "MCA_DATABASE_FORBIDDEN") throw error;
    connecting.logger.info(
      { event: "database.not_owner", error },
      "this login may not migrate; checking the schema instead",
    );
  }
}
