// Unix sockets of outbound listeners: mode 0600 from their first moment, because whoever can open one borrows our identity. The file of
// a process that has died is replaced; a living one's is refused, and so is anything that is no socket.
import { lstatSync, unlinkSync } from "node:fs";
import { connect, type Server } from "node:net";
import { ProxyError } from "../errors.ts";

/** All but the owner are masked out. */
const OWNER_ONLY = 0o177;
const PROBE_TIMEOUT_MS = 1_000;

/**
 * Lets `server` listen on `path`. The file goes with the server: closing it removes it.
 * @throws ProxyError MCA_PROXY_LISTEN_FAILED
 */
export async function listenOnUnixSocket(server: Server, path: string): Promise<void> {
  if (await tryListen(server, path)) return;
  await removeDeadSocket(path);
  if (!(await tryListen(server, path))) throw failed(path, "another process has just taken it");
}

/** @returns false: there is a file */
function tryListen(server: Server, path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      server.off("listening", onListening);
      if (error.code === "EADDRINUSE") resolve(false);
      else reject(failed(path, error.message, error));
    };
    const onListening = (): void => {
      server.off("error", onError);
      resolve(true);
    };
    server.once("error", onError);
    server.once("listening", onListening);
    // The file is made within the call.
    const before = process.umask(OWNER_ONLY);
    try {
      server.listen({ path });
    } finally {
      process.umask(before);
    }
  });
}

/**
 * Removes the file of a process that has died, if there is one.
 * @throws ProxyError MCA_PROXY_LISTEN_FAILED where a living process listens there, or the file is no socket
 */
export async function removeDeadSocket(path: string): Promise<void> {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw failed(path, "there is a file that is no socket");
  if (await isAlive(path)) throw failed(path, "a living process listens on it");
  // Only what was asked is removed: another process may have put its own there meanwhile.
  if (inodeOf(path) === found.ino) unlinkSync(path);
}

function isAlive(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    const settle = (alive: boolean): void => {
      clearTimeout(limit);
      socket.destroy();
      resolve(alive);
    };
    // One that is too busy to answer lives.
    const limit = setTimeout(() => settle(true), PROBE_TIMEOUT_MS);
    socket.once("connect", () => settle(true));
    socket.on("error", (error: NodeJS.ErrnoException) =>
      settle(error.code !== "ECONNREFUSED" && error.code !== "ENOENT"),
    );
  });
}

function inodeOf(path: string): number | undefined {
  return lstatSync(path, { throwIfNoEntry: false })?.ino;
}

function failed(path: string, why: string, cause?: unknown): ProxyError {
  return new ProxyError(
    "MCA_PROXY_LISTEN_FAILED",
    `Cannot listen on the Unix socket ${path}: ${why}. Is another proxy running, or the folder missing or not ours?`,
    cause === undefined ? {} : { cause },
  );
}
