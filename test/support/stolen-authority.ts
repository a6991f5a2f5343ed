// What a thief has who copied the folder `keys` of a server: an authority whose key signs whatever he likes.
import { createPrivateKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Certificate, encodePem } from "../../src/x509/index.ts";
import { type CertificateOptions, createLeaf, TestCertificate } from "./pki.ts";

/** `keys`: the folder with the copied files. @throws where the key of this authority is not (any more) among them */
export function stolenAuthority(keys: string, authority: Certificate): TestCertificate {
  const pem = readFileSync(join(keys, `${authority.publicKey.spkiSha256}.pkcs8.pem`), "utf8");
  return new TestCertificate(authority.der, createPrivateKey(pem), authority.subject);
}

/** A leaf that only the record tells from one of ours. */
export function forge(authority: TestCertificate, spiffeId: string, options: CertificateOptions = {}): TestCertificate {
  const { subjectKeyId } = authority.certificate;
  return createLeaf(authority, {
    spiffeId,
    notBefore: Date.now() - 60_000,
    ...(subjectKeyId === undefined ? {} : { authorityKeyId: subjectKeyId }),
    ...options,
  });
}

/** As a client shows it. */
export function identityOfForged(leaf: TestCertificate, authority: TestCertificate) {
  return {
    certificateChainPem: leaf.pem + encodePem("CERTIFICATE", authority.der),
    privateKeyPem: leaf.keyPem,
    notAfter: leaf.certificate.notAfter,
  };
}
