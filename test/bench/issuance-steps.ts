// CPU of each step of the issuing path but for transport and ledger, beside the floor of the same run (one P-256
// verification plus one signature by node:crypto). Run: node test/bench/issuance-steps.ts [rounds]
import { createPublicKey, sign, verify } from "node:crypto";
import { cpus } from "node:os";
import { requireMatchingNames } from "../../src/ca/issuance/csr-names.ts";
import { requireAcceptableKey } from "../../src/ca/issuance/key-policy.ts";
import { decideLifetime } from "../../src/ca/issuance/lifetime.ts";
import { lint, readLintIssuer } from "../../src/ca/issuance/lint/index.ts";
import { LeafProfile } from "../../src/ca/issuance/profile.ts";
import { chooseRenewAt } from "../../src/ca/issuance/renewal.ts";
import { createSerial } from "../../src/ca/issuance/serial.ts";
import { DEFAULT_ISSUANCE_SETTINGS } from "../../src/ca/issuance/settings.ts";
import { systemRandom } from "../../src/runtime/index.ts";
import { SpiffeId } from "../../src/spiffe/index.ts";
import {
  algorithmIdentifier,
  encodeCertificate,
  encodePem,
  parseCsr,
  verifyCsrSignature,
} from "../../src/x509/index.ts";
import { makeAuthority, makeCsr, makeKey, NOW } from "../ca/issuance/materials.ts";

const rounds = Number(process.argv[2] ?? 4000);
const authority = await makeAuthority();
const profile = new LeafProfile(authority.certificate, "ecdsa-sha256");
const issuer = readLintIssuer(authority.certificate.der);
const spiffeId = SpiffeId.parse("spiffe://example.test/ns/shop/sa/cart");
// A key for each round: nothing may be cached between two callers.
const csrs = Array.from({ length: rounds }, () => makeCsr());
const dnsNames: readonly string[] = [];
const settings = DEFAULT_ISSUANCE_SETTINGS;

const parsed = csrs.map(({ der }) => parseCsr(der));
const lifetime = decideLifetime({
  now: NOW,
  granted: { ttlSeconds: 3600, rule: "r" },
  issuer,
  settings,
});
const { notBefore, notAfter } = lifetime;
const serials = csrs.map(() => createSerial(1, systemRandom));
const tbses = csrs.map(({ publicKey }, i) =>
  profile.build({ serial: at(serials, i), notBefore, notAfter, publicKey, spiffeId: spiffeId.toString(), dnsNames }),
);
const lintIntent = (i: number) => ({
  issuer,
  signatureAlgorithm: "ecdsa-sha256",
  serial: at(serials, i),
  replica: 1,
  notBefore,
  notAfter,
  spki: at(csrs, i).publicKey.spki,
  spiffeId: spiffeId.toString(),
  trustDomain: "example.test",
  idKind: "workload" as const,
  dnsNames,
});
const linted = tbses.map((tbs, i) => lint(tbs, lintIntent(i)));
const floorKey = makeKey("ec-p256");
const floorPem = createPublicKey(floorKey).export({ type: "spki", format: "pem" }).toString();
const floorMessage = Buffer.alloc(400, 1);
const floorSignature = sign("sha256", floorMessage, floorKey);
const signature = await authority.signer.sign(at(tbses, 0));
const algorithm = algorithmIdentifier("ecdsa-sha256");

const steps: readonly (readonly [string, (i: number) => unknown])[] = [
  ["floor: verify (PEM, one key)", () => verify("sha256", floorMessage, floorPem, floorSignature)],
  ["floor: sign", () => sign("sha256", floorMessage, floorKey)],
  ["(parse the CSR alone)", (i) => parseCsr(at(csrs, i).der)],
  [
    "key policy and names",
    (i) => {
      requireAcceptableKey(at(parsed, i));
      requireMatchingNames(at(parsed, i), spiffeId);
    },
  ],
  // Parsed anew, as each caller's is: a key that was verified with before is remembered.
  ["parse, and proof of possession", (i) => verifyCsrSignature(parseCsr(at(csrs, i).der))],
  [
    "lifetime, serial, renew_at",
    () => {
      decideLifetime({ now: NOW, granted: { ttlSeconds: 3600, rule: "r" }, issuer, settings });
      createSerial(1, systemRandom);
      chooseRenewAt(NOW, notAfter, 600, systemRandom);
    },
  ],
  [
    "TBSCertificate",
    (i) =>
      profile.build({
        serial: at(serials, i),
        notBefore,
        notAfter,
        publicKey: at(csrs, i).publicKey,
        spiffeId: spiffeId.toString(),
        dnsNames,
      }),
  ],
  ["lint", (i) => lint(at(tbses, i), lintIntent(i))],
  ["assemble and compare", (i) => at(linted, i).isWithin(encodeCertificate(at(tbses, i), algorithm, signature))],
];

const figures = new Map<string, number>();
for (const [name, step] of steps) {
  for (let i = 0; i < Math.min(rounds, 500); i++) step(i);
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 3; run++) {
    const before = process.cpuUsage();
    for (let i = 0; i < rounds; i++) step(i);
    const used = process.cpuUsage(before);
    best = Math.min(best, (used.user + used.system) / rounds);
  }
  figures.set(name, best);
}
{
  const name = "sign by the authority (Signer)";
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < 3; run++) {
    const before = process.cpuUsage();
    for (const tbs of tbses) await authority.signer.sign(tbs);
    const used = process.cpuUsage(before);
    best = Math.min(best, (used.user + used.system) / rounds);
  }
  figures.set(name, best);
}

const floor = (figures.get("floor: verify (PEM, one key)") ?? 0) + (figures.get("floor: sign") ?? 0);
const own = [...figures].filter(([name]) => !/^floor|^\(/.test(name)).reduce((sum, [, us]) => sum + us, 0);
console.log(
  `Node ${process.version}, ${cpus()[0]?.model ?? "unknown CPU"}; CPU microseconds, best of 3 runs of ${rounds}`,
);
for (const [name, us] of figures) console.log(`${us.toFixed(1).padStart(8)}  ${name}`);
console.log(`${floor.toFixed(1).padStart(8)}  floor`);
console.log(
  `${own.toFixed(1).padStart(8)}  all steps = ${(own / floor).toFixed(2)} floor (transport and ledger not included)`,
);
if (encodePem("CERTIFICATE", encodeCertificate(at(tbses, 0), algorithm, signature)).length === 0) process.exitCode = 1;

function at<T>(list: readonly T[], index: number): T {
  const value = list[index % list.length];
  if (value === undefined) throw new RangeError("empty list");
  return value;
}
