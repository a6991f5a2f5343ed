// Compares what the foreign readers see of an issued leaf with the record of it. Pure. Each finding is one sentence; an
// empty list means that all agree and every rule that a reader can see holds.
import type { IssuanceRow } from "../../ledger/index.ts";
import type { PeculiarReading, Reading } from "./readers.ts";

const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

/** The one key usage that our leaves carry, as @peculiar/x509 numbers it. */
const DIGITAL_SIGNATURE = 1;

/** The recorded side of the comparison. */
export type RecordedLeaf = Pick<IssuanceRow, "serial" | "spiffeId" | "notBefore" | "notAfter">;

/** Differences between readers and record, and broken rules of spec X-*. */
export function compareReadings(record: RecordedLeaf, openSsl: Reading, peculiar: PeculiarReading): readonly string[] {
  return [
    ...disagreements("OpenSSL", record, openSsl),
    ...disagreements("@peculiar/x509", record, peculiar),
    ...differences(openSsl, peculiar),
    ...brokenRules(peculiar),
  ];
}

function disagreements(reader: string, record: RecordedLeaf, seen: Reading): string[] {
  const findings: string[] = [];
  const expect = (what: string, expected: string | number, found: string | number): void => {
    if (expected !== found) findings.push(`${reader} reads ${what} ${found}, the record says ${expected}`);
  };
  expect("serial", record.serial.replace(/^(?:00)+/, ""), seen.serial);
  expect("notBefore", record.notBefore, seen.notBefore);
  expect("notAfter", record.notAfter, seen.notAfter);
  // exactly one URI SAN, and it is the recorded identity.
  expect("URI names", record.spiffeId, seen.uris.join(" "));
  if (seen.isCa) findings.push(`${reader} reads a CA certificate (X-4)`);
  return findings;
}

function differences(openSsl: Reading, peculiar: PeculiarReading): string[] {
  const findings: string[] = [];
  if (openSsl.spki !== peculiar.spki) findings.push("OpenSSL and @peculiar/x509 read different public keys");
  if (openSsl.dnsNames.join(" ") !== peculiar.dnsNames.join(" ")) {
    findings.push("OpenSSL and @peculiar/x509 read different DNS names");
  }
  return findings;
}

function brokenRules(seen: PeculiarReading): string[] {
  const findings: string[] = [];
  if (!seen.subjectEmpty) findings.push("the subject is not empty");
  if (!seen.sanCritical) findings.push("the subject is empty and the SAN is not critical (X-3)");
  if (!seen.basicConstraintsCritical) findings.push("basicConstraints is missing or not critical (X-4)");
  if (seen.keyUsage === undefined || !seen.keyUsage.critical)
    findings.push("key usage is missing or not critical (X-5)");
  if (seen.keyUsage !== undefined && seen.keyUsage.flags !== DIGITAL_SIGNATURE) {
    findings.push("key usage is not digitalSignature alone (X-6)");
  }
  if (!seen.purposes.includes(SERVER_AUTH) || !seen.purposes.includes(CLIENT_AUTH)) {
    findings.push("extended key usage lacks serverAuth or clientAuth (X-9)");
  }
  if (seen.subjectKeyId === undefined || seen.authorityKeyId === undefined) {
    findings.push("subject or authority key identifier is missing (X-14)");
  }
  return findings;
}
