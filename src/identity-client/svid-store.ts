// What a source keeps across restarts: the SVID with its key, the key of a request that was not answered yet, and trust.
//   svid.json     certificate chain and private key together, so that they never mismatch
//   pending.json  a key that was sent for certification; a retry after a crash uses it again
//   trust.json    the trust in force, in the format of `mesh-ca bundle export --format mesh-ca`
// An attacker who can read svid.json is this workload until its lineage is frozen; who can write trust.json chooses its server.
import { createPrivateKey, createPublicKey } from "node:crypto";
import { join } from "node:path";
import { MeshCaError } from "../runtime/index.ts";
import { encodeTrustFile, parseTrustFile, parseX509Svid, type TrustSet } from "../spiffe/index.ts";
import { decodePem, parseCertificate, sha256, toHex } from "../x509/index.ts";
import {
  damaged,
  prepareStateDir,
  readStateFile,
  removeStateFile,
  removeTemporaryFiles,
  writeStateFile,
} from "./state-files.ts";
import { lockStateDir } from "./state-lock.ts";
import { Svid } from "./svid.ts";
import { WorkloadKey } from "./workload-key.ts";

/** An SVID and what it was earned with. */
export interface StoredSvid {
  readonly svid: Svid;
  /** `host:port` it came from. */
  readonly server: string;
  /** The fingerprint of the evidence that opened the lineage. */
  readonly evidence: string;
}

/** A key whose certificate was asked for. The same purpose again uses the same key. */
export interface PendingKey {
  readonly purpose: string;
  readonly key: WorkloadKey;
}

export interface StoredState {
  readonly svid: StoredSvid | undefined;
  readonly pending: PendingKey | undefined;
  readonly trust: TrustSet | undefined;
  /** Files that do not hold what was written there. They are left as they are and count as missing. */
  readonly damage: readonly Error[];
}

export interface SvidStore {
  readonly persistent: boolean;
  load(): Promise<StoredState>;
  /** Keeps the SVID; its key is then no longer pending. */
  saveSvid(stored: StoredSvid): Promise<void>;
  savePending(pending: PendingKey): Promise<void>;
  saveTrust(trust: TrustSet): Promise<void>;
  close(): Promise<void>;
}

/** Keeps nothing. */
export function memoryStore(): SvidStore {
  return {
    persistent: false,
    load: async () => ({ svid: undefined, pending: undefined, trust: undefined, damage: [] }),
    saveSvid: async () => {},
    savePending: async () => {},
    saveTrust: async () => {},
    close: async () => {},
  };
}

const SVID = "svid.json";
const PENDING = "pending.json";
const TRUST = "trust.json";

/**
 * Opens a state directory for this process alone.
 * @throws IdentityClientError MCA_CLIENT_STATE_INSECURE, MCA_CLIENT_STATE_BUSY, MCA_CLIENT_STATE_UNWRITABLE
 */
export async function openStateDir(path: string): Promise<SvidStore> {
  const directory = await prepareStateDir(path);
  const lock = await lockStateDir(directory);
  try {
    await removeTemporaryFiles(directory);
  } catch (error) {
    await lock.release();
    throw error;
  }
  return {
    persistent: true,
    load: () => load(directory),
    async saveSvid(stored) {
      await writeStateFile(directory, SVID, encodeSvid(stored));
      await removeStateFile(directory, PENDING);
    },
    async savePending({ purpose, key }) {
      await writeStateFile(
        directory,
        PENDING,
        `${JSON.stringify({ version: 1, purpose, keyPem: key.pem }, null, 2)}\n`,
      );
    },
    saveTrust: (trust) => writeStateFile(directory, TRUST, encodeTrustFile(trust)),
    close: () => lock.release(),
  };
}

async function load(directory: string): Promise<StoredState> {
  const damage: Error[] = [];
  const read = async <T>(name: string, parse: (text: string) => T): Promise<T | undefined> => {
    const text = await readStateFile(directory, name);
    if (text === undefined) return undefined;
    try {
      return parse(text);
    } catch (cause) {
      const why = cause instanceof MeshCaError ? cause.message : "it is not what was written";
      damage.push(damaged(join(directory, name), why, cause));
      return undefined;
    }
  };
  const svid = await read(SVID, parseSvid);
  const pending = await read(PENDING, parsePending);
  const trust = await read(TRUST, parseTrustFile);
  // A crash between saving the SVID and forgetting its pending key leaves both.
  const answered = pending !== undefined && svid?.svid.chain[0]?.publicKey.spkiSha256 === pending.key.spkiSha256;
  return { svid, pending: answered ? undefined : pending, trust, damage };
}

function encodeSvid({ svid, server, evidence }: StoredSvid): string {
  const fields = {
    version: 1,
    spiffeId: svid.id.toString(),
    server,
    evidence,
    renewAt: new Date(svid.renewAt).toISOString(),
    rule: svid.rule,
    lineage: svid.lineage,
    logIndex: svid.logIndex.toString(),
    shortenedBy: svid.shortenedBy,
    chainPem: svid.chainPem,
    keyPem: svid.keyPem,
  };
  return `${JSON.stringify(fields, null, 2)}\n`;
}

function parseSvid(text: string): StoredSvid {
  const fields = parseFields(text);
  const chainPem = textField(fields, "chainPem");
  const keyPem = textField(fields, "keyPem");
  const chain = decodePem(chainPem).map(({ der }) => parseCertificate(der));
  const leaf = chain[0];
  if (leaf === undefined) throw new TypeError("no certificate");
  const { id } = parseX509Svid(leaf);
  const spki = createPublicKey(createPrivateKey(keyPem)).export({ type: "spki", format: "der" });
  if (toHex(sha256(spki)) !== leaf.publicKey.spkiSha256) throw new TypeError("key and certificate do not match");
  if (id.toString() !== textField(fields, "spiffeId")) throw new TypeError("two names");
  const renewAt = Date.parse(textField(fields, "renewAt"));
  if (!Number.isFinite(renewAt)) throw new TypeError("no time");
  return {
    svid: new Svid(
      leaf,
      {
        id,
        chain,
        chainPem,
        renewAt,
        rule: textField(fields, "rule"),
        lineage: textField(fields, "lineage"),
        logIndex: BigInt(textField(fields, "logIndex")),
        shortenedBy: textField(fields, "shortenedBy"),
      },
      keyPem,
    ),
    server: textField(fields, "server"),
    evidence: textField(fields, "evidence"),
  };
}

function parsePending(text: string): PendingKey {
  const fields = parseFields(text);
  return { purpose: textField(fields, "purpose"), key: WorkloadKey.parse(textField(fields, "keyPem")) };
}

function parseFields(text: string): ReadonlyMap<string, unknown> {
  const value: unknown = JSON.parse(text);
  if (typeof value !== "object" || value === null) throw new TypeError("not an object");
  const fields = new Map<string, unknown>(Object.entries(value));
  if (fields.get("version") !== 1) throw new TypeError("not version 1");
  return fields;
}

function textField(fields: ReadonlyMap<string, unknown>, name: string): string {
  const value = fields.get(name);
  if (typeof value !== "string") throw new TypeError(`no ${name}`);
  return value;
}
