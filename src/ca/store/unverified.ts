// A database that could not prove who it is: how Node tells it, and what an operator has to look at. Nothing was said to it yet, no
// user name and no password.
import { StoreError } from "./errors.ts";

/** What OpenSSL and Node call a chain that is not accepted (X509_verify_cert_error and the host name's check). */
const CHAIN =
  /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|CERT_|ERR_TLS_CERT_|INVALID_(CA|PURPOSE)|PATH_LENGTH_|HOSTNAME_MISMATCH)/;

/** The refusal as a StoreError; undefined where `error` is about something else. */
export function unverified(error: unknown, options: ErrorOptions): StoreError | undefined {
  if (!(error instanceof Error)) return undefined;
  // pg's own words, without a code.
  if (error.message === "The server does not support SSL connections") {
    return new StoreError(
      "MCA_DATABASE_UNVERIFIED",
      "The database offers no TLS. Turn it on (ssl = on, with a certificate for its host name), or name the connection insecure with database.tls: insecure-plaintext.",
      options,
    );
  }
  if (!("code" in error) || typeof error.code !== "string" || !CHAIN.test(error.code)) return undefined;
  if (error.code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return new StoreError(
      "MCA_DATABASE_UNVERIFIED",
      `The database's certificate is not for the host of the URL, ${text(error, "host")}; it is for ${namesIn(error)}. Write a name of the certificate into the URL, or give the database a certificate for that host.`,
      options,
    );
  }
  return new StoreError(
    "MCA_DATABASE_UNVERIFIED",
    `The database's certificate is not accepted: ${error.message}. Set database.caFile to the PEM file of the CA that issued it, or look who answers at that address.`,
    options,
  );
}

function text(error: Error, key: string): string {
  const value: unknown = Reflect.get(error, key);
  return typeof value === "string" ? value : "?";
}

function namesIn(error: Error): string {
  const certificate: unknown = Reflect.get(error, "cert");
  if (typeof certificate !== "object" || certificate === null || !("subjectaltname" in certificate)) return "no name";
  return String(certificate.subjectaltname).slice(0, 500);
}
