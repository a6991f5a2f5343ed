// Which extensions of a certificate are understood, and which critical ones are not. An extension belongs here only if the
// path validator or the SPIFFE rules act on it: RFC 5280 section 4.2 makes everything else critical a reason to refuse.
import {
  checkPolicyMappings,
  readAuthorityKeyId,
  readBasicConstraints,
  readCertificatePolicies,
  readExtendedKeyUsage,
  readInhibitAnyPolicy,
  readKeyUsage,
  readNameConstraints,
  readPolicyConstraints,
  readSubjectKeyId,
} from "./extensions.ts";
import { readSubjectAltNames } from "./general-name.ts";
import { oid } from "./oids.ts";
import type { Certificate, Extension, PolicyExtensions } from "./types.ts";

type Understood = Pick<
  Certificate,
  | "basicConstraints"
  | "keyUsage"
  | "extendedKeyUsage"
  | "subjectAltName"
  | "subjectKeyId"
  | "authorityKeyId"
  | "authorityCertificate"
  | "nameConstraints"
  | "policy"
>;

/** What the extensions of one certificate say. */
export type ExtensionFields = { -readonly [K in keyof Understood]: Understood[K] } & { unknownCritical: string[] };

/** Reads every extension that we know. DER errors keep their code. */
export function readExtensionFields(extensions: readonly Extension[]): ExtensionFields {
  const fields: ExtensionFields = {
    basicConstraints: undefined,
    keyUsage: undefined,
    extendedKeyUsage: undefined,
    subjectAltName: undefined,
    subjectKeyId: undefined,
    authorityKeyId: undefined,
    authorityCertificate: undefined,
    nameConstraints: undefined,
    policy: undefined,
    unknownCritical: [],
  };
  for (const extension of extensions) {
    const { critical, value } = extension;
    switch (extension.oid) {
      case oid.basicConstraints: {
        const { ca, pathLength } = readBasicConstraints(value);
        fields.basicConstraints = { critical, ca, pathLength };
        break;
      }
      case oid.keyUsage:
        fields.keyUsage = { critical, usages: readKeyUsage(value) };
        break;
      case oid.extendedKeyUsage:
        fields.extendedKeyUsage = { critical, purposes: readExtendedKeyUsage(value) };
        break;
      case oid.subjectAltName:
        fields.subjectAltName = { critical, names: readSubjectAltNames(value) };
        // A critical list of which nothing is understood is not understood.
        if (critical && fields.subjectAltName.names.every((name) => name.kind === "other")) {
          fields.unknownCritical.push(extension.oid);
        }
        break;
      case oid.nameConstraints:
        fields.nameConstraints = { critical, ...readNameConstraints(value) };
        break;
      // RFC 5280 sections 4.2.1.1 and 4.2.1.2: never critical. OpenSSL refuses critical ones as unknown, and so do we.
      case oid.subjectKeyId:
        fields.subjectKeyId = readSubjectKeyId(value);
        if (critical) fields.unknownCritical.push(extension.oid);
        break;
      case oid.authorityKeyId:
        readAuthority(fields, value);
        if (critical) fields.unknownCritical.push(extension.oid);
        break;
      case oid.certificatePolicies:
        fields.policy = { ...policyOf(fields), policies: readCertificatePolicies(value) };
        break;
      case oid.policyMappings:
        checkPolicyMappings(value);
        fields.policy = { ...policyOf(fields), mappings: true };
        break;
      case oid.policyConstraints:
        fields.policy = { ...policyOf(fields), ...readPolicyConstraints(value) };
        break;
      case oid.inhibitAnyPolicy:
        fields.policy = { ...policyOf(fields), inhibitAnyPolicy: readInhibitAnyPolicy(value) };
        break;
      default:
        if (critical) fields.unknownCritical.push(extension.oid);
    }
  }
  return fields;
}

function readAuthority(fields: ExtensionFields, value: Uint8Array): void {
  const { keyId, issuer, serial } = readAuthorityKeyId(value);
  fields.authorityKeyId = keyId;
  if (issuer !== undefined || serial !== undefined) fields.authorityCertificate = { issuer, serial };
}

function policyOf(fields: ExtensionFields): PolicyExtensions {
  return fields.policy ?? { mappings: false };
}
