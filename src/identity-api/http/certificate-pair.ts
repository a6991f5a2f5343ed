// A certificate chain and its key from two PEM files; src/tls judges them.
import { readFile } from "node:fs/promises";
import { type CertificatePair, parseCertificatePair, TlsError } from "../../tls/index.ts";

export interface PairFiles {
  /** PEM, leaf first. */
  readonly certificateFile: string;
  /** PEM, not encrypted; may be the same file. */
  readonly keyFile: string;
}

const MAX_BYTES = 1 << 20;

/**
 * Reads the pair and judges it.
 * @param now Unix milliseconds
 * @throws TlsError MCA_TLS_IDENTITY_INVALID, saying which file and what is wrong with it
 */
export async function readCertificatePair(files: PairFiles, now: number): Promise<CertificatePair> {
  const { certificateFile, keyFile } = files;
  const certificateText = await read(certificateFile);
  return parseCertificatePair({ certificateFile, certificateText, keyFile, keyText: await read(keyFile) }, now);
}

async function read(path: string): Promise<string> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const why = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown reason";
    throw unusable(`${path} cannot be read (${why}).`, cause);
  }
  if (bytes.length > MAX_BYTES) throw unusable(`${path} is larger than 1 MiB.`);
  return bytes.toString("latin1");
}

function unusable(sentence: string, cause?: unknown): TlsError {
  return new TlsError("MCA_TLS_IDENTITY_INVALID", sentence, { cause });
}
