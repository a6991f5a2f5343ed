// One process for each state directory: two would renew against each other, and the server would take that for a stolen key.
// The lock is a Unix socket in the directory. Whether its owner lives is answered by the kernel: a connection is accepted or
// refused, also for a stopped process, across containers that share the directory, and after kill -9. Nothing is ever sent.
import { closeSync, linkSync, openSync, renameSync, unlinkSync } from "node:fs";
import * as net from "node:net";
import { join } from "node:path";
import { IdentityClientError } from "./errors.ts";
import { freshName } from "./state-files.ts";

const LOCK = "lock";
/** sun_path holds 108 bytes on Linux and 104 elsewhere, with the closing zero. */
const MAX_SOCKET_PATH_BYTES = 103;

export interface StateLock {
  release(): Promise<void>;
}

/**
 * Takes the lock of a state directory that this process may write.
 * @throws IdentityClientError MCA_CLIENT_STATE_BUSY, MCA_CLIENT_STATE_UNWRITABLE
 */
export async function lockStateDir(directory: string): Promise<StateLock> {
  const place = socketPlace(directory);
  try {
    const server = (await tryListen(place.path)) ?? (await takeOver(directory, place.path));
    return {
      async release() {
        await new Promise<void>((resolve) => server.close(() => resolve()));
        place.close();
      },
    };
  } catch (error) {
    place.close();
    throw error;
  }
}

/** The socket's path; where it is too long for the kernel, the same place by way of an open directory. */
function socketPlace(directory: string): { path: string; close(): void } {
  const path = join(directory, LOCK);
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return { path, close: () => {} };
  if (process.platform !== "linux") {
    throw new IdentityClientError(
      "MCA_CLIENT_STATE_UNWRITABLE",
      `The path of the state directory is too long for a socket: at most ${MAX_SOCKET_PATH_BYTES - LOCK.length - 1} bytes. Choose a shorter one.`,
    );
  }
  const descriptor = openSync(directory, "r");
  return { path: `/proc/self/fd/${descriptor}/${LOCK}`, close: () => closeSync(descriptor) };
}

/** Listens; undefined if the socket's file is there already. */
function tryListen(path: string): Promise<net.Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = net.createServer((socket) => {
      socket.on("error", () => {});
      socket.destroy();
    });
    server.unref();
    server.once("error", (cause: NodeJS.ErrnoException) => {
      if (cause.code === "EADDRINUSE") return resolve(undefined);
      reject(
        new IdentityClientError(
          "MCA_CLIENT_STATE_UNWRITABLE",
          `The state directory cannot be locked (${cause.code ?? "unknown reason"}). It must be writable and on a local file system that holds sockets.`,
          { cause },
        ),
      );
    });
    server.listen(path, () => {
      server.on("error", () => {});
      resolve(server);
    });
  });
}

/**
 * Replaces the socket of an owner that has gone. It is moved aside first and asked under its new name, so that what is removed is
 * what was asked; a living owner's is put back.
 */
async function takeOver(directory: string, path: string): Promise<net.Server> {
  const aside = join(directory, `.lock.${freshName()}`);
  const asidePlace = path.slice(0, -LOCK.length) + aside.slice(directory.length).replace(/^\//, "");
  if (await isAlive(path)) throw busy(directory);
  try {
    renameSync(path, aside);
  } catch {
    // Somebody else is taking over at this moment.
    throw busy(directory);
  }
  const alive = await isAlive(asidePlace);
  if (alive) {
    try {
      linkSync(aside, path);
    } catch {
      // A third one has locked meanwhile; ours is refused either way.
    }
  }
  unlinkSync(aside);
  if (alive) throw busy(directory);
  const server = await tryListen(path);
  if (server === undefined) throw busy(directory);
  return server;
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(path);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", (error: NodeJS.ErrnoException) => {
      // Nobody listens, or the file has gone. Anything else (EAGAIN: a full backlog) counts as alive.
      resolve(error.code !== "ECONNREFUSED" && error.code !== "ENOENT");
    });
  });
}

function busy(directory: string): IdentityClientError {
  return new IdentityClientError(
    "MCA_CLIENT_STATE_BUSY",
    `Another process uses the state directory ${directory}. Give each process its own, or stop the other one.`,
  );
}
