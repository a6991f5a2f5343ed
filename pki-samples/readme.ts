// Writes pki-samples/README.md, so that its table says what the samples are.
import { nameToString } from "../src/x509/index.ts";
import type { TestCertificate } from "../test/support/pki.ts";
import { SAMPLES_NOW } from "./certify.ts";
import { WARNING } from "./keys.ts";
import type { Expectation, Sample } from "./sample.ts";

const HEAD = `# A public key infrastructure to try things with

<!-- Written by make.ts; change that instead. -->

**${WARNING}**

Example Corp has a root (RSA-4096, R1), a policy CA and issuing CAs below it, RSA and elliptic; a new root (P-384, R2) that takes over
from R1, with the two certificates by which each root has signed the other; and an issuing CA whose name constraints permit nothing but
example.test. Its PKI team has signed mesh-ca's authority for the trust domain example.test: well, in many forms, and badly, in many ways.
Each broken sample breaks one rule of acceptance and is good otherwise.

\`index.json\` says the same to programs; the tests below \`test/pki-samples\` judge each sample and expect exactly what stands here. They
judge at ${new Date(SAMPLES_NOW).toISOString()}; DNS names that rules grant are ca.example.test and all below svc.example.test.

\`\`\`sh
node pki-samples/make.ts
\`\`\`

makes everything anew but the keys that are there. Where nothing changed no byte changes.
`;

/** The whole page. */
export function renderReadme(samples: readonly Sample[], cas: readonly (readonly [string, TestCertificate])[]): string {
  const caRows = cas.map(([name, { certificate }]) =>
    row(`[${name}](enterprise/${name}.pem)`, nameToString(certificate.subject), nameToString(certificate.issuer)),
  );
  const sampleRows = samples.map(({ files, purpose, expected }) =>
    row(files.map(({ path }) => `[${path}](${path})`).join(", "), purpose, told(expected)),
  );
  return [
    HEAD,
    "## The enterprise",
    "",
    row("file", "subject", "issuer"),
    row("---", "---", "---"),
    ...caRows,
    "",
    "The private keys are in `keys`, PKCS#8, one for each CA; `mesh.key.pem` is that of mesh-ca's authority.",
    "",
    "## What was signed",
    "",
    row("file", "what it is, or what is wrong with it", "what comes of it"),
    row("---", "---", "---"),
    ...sampleRows,
    "",
  ].join("\n");
}

function told(expected: Expectation): string {
  switch (expected.kind) {
    case "accepted":
      return expected.notes.length === 0 ? "accepted" : `accepted, with notes: ${expected.notes.join(", ")}`;
    case "refused":
      return `refused: \`${expected.rule}\` at "${expected.certificate}"`;
    case "unreadable":
      return `not read: \`${expected.code}\``;
    case "peer-refused":
      return `refused as a peer: \`${expected.code}\``;
  }
}

function row(...cells: readonly string[]): string {
  return `| ${cells.join(" | ")} |`;
}
