// The local admin socket: gRPC without TLS for whoever may open a Unix socket of mode 0600, that is the owner. It is also the
// lock of the data directory: whether its owner lives is answered by the kernel, which accepts a connection or refuses it.
import { chmod, link, rename, unlink } from "node:fs/promises";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { StoreError } from "../ca/index.ts";
import type { RandomSource } from "../runtime/index.ts";
import { ApiError } from "./api-error.ts";

const MAX_CONNECTIONS = 128;
/** sun_path holds 108 bytes on Linux and 104 elsewhere, with the closing zero. */
const MAX_PATH_BYTES = 103;

export class AdminSocket {
  readonly path: string;
  readonly #server: Server;
  readonly #waiting: Socket[] = [];
  #take: ((socket: Socket) => void) | undefined;

  private constructor(path: string, server: Server) {
    this.path = path;
    this.#server = server;
    server.maxConnections = MAX_CONNECTIONS;
    server.on("connection", (socket) => {
      socket.on("error", () => socket.destroy());
      if (this.#take !== undefined) this.#take(socket);
      else this.#waiting.push(socket);
    });
  }

  /**
   * Takes the data directory for this process. Connections wait until `serve`.
   * @throws StoreError MCA_DATA_DIR_IN_USE; ApiError MCA_DATA_DIR_UNUSABLE
   */
  static async open(runDir: string, random: RandomSource): Promise<AdminSocket> {
    const path = join(runDir, "admin.sock");
    if (Buffer.byteLength(path) > MAX_PATH_BYTES) {
      throw new ApiError(
        "MCA_DATA_DIR_UNUSABLE",
        `The path ${path} is too long for a socket (at most ${MAX_PATH_BYTES} bytes). Choose a shorter dataDir.`,
      );
    }
    const server = (await listen(path)) ?? (await takeOver(path, random));
    await chmod(path, 0o600);
    return new AdminSocket(path, server);
  }

  /** Hands every connection to `take`, those that wait first. */
  serve(take: (socket: Socket) => void): void {
    this.#take = take;
    for (const socket of this.#waiting.splice(0)) if (!socket.destroyed) take(socket);
  }

  /** Stops accepting and removes the socket; connections that were handed on are the taker's. */
  async close(): Promise<void> {
    for (const socket of this.#waiting.splice(0)) socket.destroy();
    this.#server.close();
  }
}

/** Listens; undefined where the file is there already. The mask keeps others out from the first moment on. */
function listen(path: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    const mask = process.umask(0o177);
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve(undefined);
      else
        reject(
          new ApiError(
            "MCA_DATA_DIR_UNUSABLE",
            `The admin socket ${path} cannot be made (${error.code ?? error.message}). Give a writable dataDir on a local file system.`,
            { cause: error },
          ),
        );
    });
    server.listen(path, () => {
      server.removeAllListeners("error");
      server.on("error", () => {});
      resolve(server);
    });
    process.umask(mask);
  });
}

/** Replaces the socket of a process that has gone: moved aside and asked again, so that what is removed is what was asked. */
async function takeOver(path: string, random: RandomSource): Promise<Server> {
  if (await isAlive(path)) throw inUse(path);
  const aside = `${path}.${Buffer.from(random.bytes(4)).toString("hex")}`;
  try {
    await rename(path, aside);
  } catch {
    throw inUse(path);
  }
  const alive = await isAlive(aside);
  // A third process may have taken the place meanwhile; this one is refused either way.
  if (alive) await link(aside, path).catch(() => {});
  await unlink(aside);
  const server = alive ? undefined : await listen(path);
  if (server === undefined) throw inUse(path);
  return server;
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      // Nobody listens, or the file has gone. Anything else (a full backlog) counts as alive.
      resolve(error.code !== "ECONNREFUSED" && error.code !== "ENOENT");
    });
  });
}

function inUse(path: string): StoreError {
  return new StoreError(
    "MCA_DATA_DIR_IN_USE",
    `Another mesh-ca server uses this data directory (it answers on ${path}). Stop it, or give this one its own dataDir.`,
  );
}
