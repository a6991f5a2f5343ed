// The floor: what no implementation in this runtime can go below. One P-256 verification (of the caller's proof of possession)
// and one P-256 signature (of the certificate) by node:crypto, keys given as PEM text, which is its fastest way.
import { generateKeyPairSync, sign, verify } from "node:crypto";

/** A TBSCertificate of ours has about this many bytes. */
const MESSAGE_BYTES = 520;
const OPERATIONS = 2_000;

/** CPU time of this process for one verification and one signature, in microseconds. Takes about 0.2 s. */
export function measureFloor(): number {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const publicPem = publicKey.export({ type: "spki", format: "pem" }).toString();
  const message = new Uint8Array(MESSAGE_BYTES).fill(7);
  const signature = sign("sha256", message, privateKey);
  const once = (): void => {
    if (!verify("sha256", message, publicPem, signature)) throw new TypeError("a signature of our own does not verify");
    sign("sha256", message, privateKey);
  };
  for (let i = 0; i < OPERATIONS / 4; i++) once();
  const before = process.cpuUsage();
  for (let i = 0; i < OPERATIONS; i++) once();
  const spent = process.cpuUsage(before);
  return (spent.user + spent.system) / OPERATIONS;
}
