// The ceremony sheet: one page of plain text that goes with a certification request to whoever signs it. It says what to
// check, what to set and how, so that nobody needs to know what a mesh is. It holds no secret.
import { formatTime } from "../../runtime/index.ts";
import { sha256Hex } from "../../x509/index.ts";

export interface CeremonyFacts {
  readonly trustDomain: string;
  /** The CSR's subject, RFC 4514 text. */
  readonly subject: string;
  /** Subject key identifier, lower-case hex. */
  readonly keyId: string;
  /** The certification request, DER. */
  readonly csr: Uint8Array;
  /** SHA-256 of the SubjectPublicKeyInfo, lower-case hex. */
  readonly spkiSha256: string;
  /** Unix milliseconds. */
  readonly requestedAt: number;
  /** Recommended validity, and the least that rotation can work with. */
  readonly validityDays: number;
  readonly minimumDays: number;
  /** How the least validity comes about: "leaves of 24 h + ... <= a sixth of the validity". */
  readonly validityArithmetic: string;
  /** 0 unless replicas are to be signed by this authority. Default 0. */
  readonly pathLength?: number;
  /** Name of the request's file, PEM, as the commands are to have it. Default "mesh-ca.csr". */
  readonly csrFile?: string;
}

const COLUMNS = 100;
const INDENT = 18;

/** The sheet: about 65 lines of at most 100 columns. */
export function ceremonySheet(facts: CeremonyFacts): string {
  const { pathLength = 0, csrFile = "mesh-ca.csr", validityDays: days } = facts;
  return [
    ...request(facts, csrFile),
    ...whatToSet(facts, pathLength),
    ...opensslLines(facts, pathLength, csrFile),
    "AD CS",
    `  certreq -submit -attrib "CertificateTemplate:SubCA" ${csrFile} mesh-ca.cer`,
    "  A standalone CA takes no -attrib. If the request waits: certutil -resubmit ID, then",
    "  certreq -retrieve ID mesh-ca.cer. The validity is the least of the template's, the CA's own, and",
    `  certutil -setreg CA\\ValidityPeriod Days & certutil -setreg CA\\ValidityPeriodUnits ${days}`,
    "  (then restart certsvc). Pitfalls: a CA of path length 0 cannot sign this; templates may add EKUs;",
    "  certutil -getreg CA\\CSP\\CNGHashAlgorithm must say SHA256 or better.",
    "EJBCA",
    `  Certificate profile of type "Sub CA": path length ${pathLength}, key usage as above and critical, no extended`,
    `  key usage, validity ${days}d. End entity "mesh-ca" with it, token "User Generated", then:`,
    `  bin/ejbca.sh createcert --username mesh-ca --password PASSWORD -c ${csrFile} -f mesh-ca.pem`,
    "Vault / OpenBao",
    `  vault write -format=json pki/root/sign-intermediate csr=@${csrFile} use_csr_values=true \\`,
    `    max_path_length=${pathLength} ttl=${days * 24}h format=pem_bundle \\`,
    "    | jq -r '.data.certificate, .data.issuing_ca' > mesh-ca.pem",
    "  If ttl comes out shorter: vault secrets tune -max-lease-ttl; the issuer's end is the other limit.",
    "",
    "THEN give it back with all CAs above it, the root too, as PEM, DER or PKCS#7. On the server:",
    '  npx mesh-ca authority import --reason "..." --dry-run mesh-ca.pem chain.pem root.pem',
    '  npx mesh-ca authority import --reason "..." mesh-ca.pem chain.pem root.pem',
    "",
    "Signed by (CA operator) ____________________________________________   Date ______________________",
    "Witness                 ____________________________________________   Date ______________________",
    "",
  ].join("\n");
}

function request(facts: CeremonyFacts, csrFile: string): readonly string[] {
  return [
    "REQUEST FOR A SUBORDINATE CA CERTIFICATE                                                     mesh-ca",
    "=".repeat(COLUMNS),
    ...field("Trust domain", `spiffe://${facts.trustDomain}`),
    ...field("Subject", facts.subject),
    ...field("Key id (SKI)", facts.keyId),
    ...field("Requested", formatTime(facts.requestedAt)),
    ...field("CSR SHA-256", sha256Hex(facts.csr)),
    `      compare:    openssl req -in ${csrFile} -outform DER | openssl sha256`,
    `      Windows:    certutil -decode ${csrFile} csr.der & certutil -hashfile csr.der SHA256`,
    ...field("Key SHA-256", facts.spkiSha256),
    `      compare:    openssl req -in ${csrFile} -noout -pubkey \\`,
    "                    | openssl pkey -pubin -outform DER | openssl sha256",
    "The key is held by the mesh-ca server and never leaves it. It will sign short-lived certificates of",
    "the workloads of this trust domain. Compare both hashes with the requester by another channel.",
    "",
  ];
}

function whatToSet(facts: CeremonyFacts, pathLength: number): readonly string[] {
  const { validityDays, minimumDays, trustDomain } = facts;
  return [
    "WHAT THE SIGNING CA MUST SET",
    ...field("  Constraints", `basicConstraints critical, CA:TRUE, path length ${pathLength}`),
    ...field("  Key usage", "critical: keyCertSign and cRLSign"),
    ...field("  Key ids", "subject key id as in the request (any is accepted); authority key id of the issuer"),
    ...field("  Purposes", "no extended key usage; or both serverAuth and clientAuth, here and in every CA above"),
    ...field(
      "  Validity",
      `${validityDays} days recommended, ${minimumDays} at least, within the issuer's own: ${facts.validityArithmetic}`,
    ),
    ...field("  Signature", "SHA-256 or better, RSA of 2048 bits or more, P-256, P-384; all the way up to the root"),
    ...field("  Subject", "may be rewritten, but stays different from that of every other CA"),
    ...field(
      "  Names",
      `name constraints, here or above, must permit the URI host ${trustDomain} itself and the DNS names of the workloads. ` +
        "rustls and Python's cryptography refuse chains with URI constraints",
    ),
    ...field(
      "  Root",
      "dedicated to this trust domain, best: every CA under a root in the bundle is believed by verifiers that know the root alone",
    ),
    "",
  ];
}

function opensslLines(facts: CeremonyFacts, pathLength: number, csrFile: string): readonly string[] {
  return [
    "OpenSSL (ca.pem, ca.key: the signing CA; a request's extensions are not copied by themselves)",
    `  printf '%s\\n' 'basicConstraints=critical,CA:TRUE,pathlen:${pathLength}' \\`,
    "    'keyUsage=critical,keyCertSign,cRLSign' 'authorityKeyIdentifier=keyid:always' \\",
    `    'subjectKeyIdentifier=${facts.keyId}' > mesh-ca.ext`,
    `  openssl x509 -req -in ${csrFile} -CA ca.pem -CAkey ca.key -set_serial 0x$(openssl rand -hex 16) \\`,
    `    -sha256 -days ${facts.validityDays} -extfile mesh-ca.ext -out mesh-ca.pem`,
    `  With a CA database: openssl ca -in ${csrFile} -extfile mesh-ca.ext -days ${facts.validityDays} -md sha256 \\`,
    "    -policy policy_anything -notext -out mesh-ca.pem",
  ];
}

/** "Name: text", the text wrapped and indented. Words that are longer than a line are cut. */
function field(name: string, text: string): readonly string[] {
  const width = COLUMNS - INDENT;
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ").flatMap((each) => each.match(new RegExp(`.{1,${width}}`, "gu")) ?? [])) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line);
      line = "";
    }
    line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines.map((part, i) => (i === 0 ? `${`${name}:`.padEnd(INDENT)}${part}` : " ".repeat(INDENT) + part));
}
