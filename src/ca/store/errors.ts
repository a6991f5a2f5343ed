// What can go wrong between us and PostgreSQL. Sentences say what to do; none contains a password or a connection string.
import { MeshCaError } from "../../runtime/index.ts";

export type StoreErrorCode =
  /** PostgreSQL does not answer, or a connection was lost. */
  | "MCA_DATABASE_UNAVAILABLE"
  /** The connection would not be protected: a TCP connection without verified TLS. */
  | "MCA_DATABASE_INSECURE"
  /** The database could not prove who it is: its certificate, or the host name in it, is not accepted. Nothing was told it. */
  | "MCA_DATABASE_UNVERIFIED"
  /** The connection string cannot be understood, or sets what mesh-ca decides itself. */
  | "MCA_DATABASE_URL_INVALID"
  /** The login may not do what the role needs. */
  | "MCA_DATABASE_FORBIDDEN"
  /** There is no database yet: `mesh-ca init` has not run. */
  | "MCA_DATABASE_NOT_INITIALISED"
  /** The database already belongs to a trust domain: a second `init` is refused. */
  | "MCA_DATABASE_INITIALISED"
  /** PostgreSQL refused a statement: a bug of ours or a damaged database. */
  | "MCA_DATABASE_STATEMENT"
  /** Another server holds this data directory. */
  | "MCA_DATA_DIR_IN_USE"
  /** PostgreSQL's own user cannot reach the data directory, or its socket path is too long. */
  | "MCA_DATA_DIR_UNREACHABLE"
  /** The embedded PostgreSQL cannot be prepared or does not start. */
  | "MCA_POSTGRES_FAILED"
  /** The database was migrated by a newer mesh-ca in a way that this one does not understand. */
  | "MCA_SCHEMA_TOO_NEW"
  /** The database lacks migrations of this mesh-ca. */
  | "MCA_SCHEMA_TOO_OLD";

export class StoreError extends MeshCaError<StoreErrorCode> {}
