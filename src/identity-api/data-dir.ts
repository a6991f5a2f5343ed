// The data directory: who may enter what. As root it is open for traversal (0711), because PostgreSQL runs as a user of its own
// below it; `keys/` never is. Modes that let others read or change what is inside are refused, never repaired in silence.
import { chmod, mkdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { ConfigError } from "../runtime/config/index.ts";
import { ApiError } from "./api-error.ts";
import type { Config } from "./config/index.ts";

export interface DataDir {
  readonly path: string;
  /** Private keys, 0700. Made by the key store. */
  readonly keys: string;
  /** Sockets. */
  readonly run: string;
}

const GROUP_OR_OTHERS_WRITE = 0o022;

/** The configured directory. @throws ConfigError MCA_CONFIG_MISSING */
export function dataDirOf(config: Config): DataDir {
  if (config.dataDir === null) {
    throw new ConfigError(
      "MCA_CONFIG_MISSING",
      "dataDir is missing. Set it to the folder for keys, database and sockets.",
    );
  }
  return { path: config.dataDir, keys: join(config.dataDir, "keys"), run: join(config.dataDir, "run") };
}

/** Makes what is missing (only `init` may make the directory itself). @throws ApiError MCA_DATA_DIR_UNUSABLE, MCA_NOT_INITIALISED */
export async function prepareDataDir(dir: DataDir, options: { readonly create: boolean }): Promise<void> {
  const mode = process.getuid?.() === 0 ? 0o711 : 0o700;
  try {
    if (options.create) await make(dir.path, mode);
    await requireOwn(dir.path, options.create);
    await make(dir.run, mode);
    await requireOwn(dir.run, true);
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError(
      "MCA_DATA_DIR_UNUSABLE",
      `The data directory ${dir.path} cannot be used: ${error instanceof Error ? error.message : String(error)}. Give dataDir a folder that this user may write.`,
      {
        cause: error,
      },
    );
  }
}

async function make(path: string, mode: number): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode });
  // The mode of the last folder, whatever the process's mask is.
  if (first !== undefined) await chmod(path, mode);
}

async function requireOwn(path: string, made: boolean): Promise<void> {
  const found = await stat(path).catch((error: unknown) => {
    if (made) throw error;
    throw new ApiError(
      "MCA_NOT_INITIALISED",
      `There is no data directory ${path}. Run npx mesh-ca init once, or name the right one (dataDir).`,
      {
        cause: error,
      },
    );
  });
  if (!found.isDirectory())
    throw new ApiError("MCA_DATA_DIR_UNUSABLE", `${path} is not a folder. Give dataDir a folder.`);
  const uid = process.getuid?.();
  if (uid !== undefined && found.uid !== uid) {
    throw new ApiError(
      "MCA_DATA_DIR_UNUSABLE",
      `${path} belongs to user ${found.uid}, this is user ${uid}. Run mesh-ca as that user, or: chown -R ${uid} ${path}`,
    );
  }
  if ((found.mode & GROUP_OR_OTHERS_WRITE) !== 0) {
    throw new ApiError("MCA_DATA_DIR_UNUSABLE", `Others may write into ${path}. Run: chmod go-w ${path}`);
  }
}
