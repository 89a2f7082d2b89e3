/** Makes a server listen on a unix socket that only its owner may open. */
import { chmodSync, lstatSync, mkdirSync, rmSync } from "node:fs";
import type { Server } from "node:http";
import { connect } from "node:net";
import { dirname } from "node:path";
import { fitsSocketPath, SOCKET_PATH_BYTES_MAX } from "../../protocol/socket_path.ts";

/** Makes way for a socket at `path`. Throws when another daemon answers there or the path cannot be used. */
export async function clearSocket(path: string): Promise<void> {
  // Node listens on as much of a longer path as fits, and says nothing.
  if (!fitsSocketPath(path)) {
    throw cannotListen(path, `a socket's path has ${SOCKET_PATH_BYTES_MAX} bytes at most`);
  }
  try {
    mkdirSync(dirname(path), { recursive: true });
  } catch (error) {
    throw cannotListen(path, messageOf(error));
  }
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isSocket()) throw cannotListen(path, "there is a file of another kind in its place");
  if (await answers(path)) {
    throw new Error(
      `Another vbal daemon answers on ${path}; stop it first, or set control.socket to another path`,
    );
  }
  // Left by a daemon that was killed.
  rmSync(path, { force: true });
}

/** To be called within `withOwnersMask`, so that there is no moment in which others could open it. */
export function listenOnSocket(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => reject(cannotListen(path, error.message));
    server.once("error", fail);
    server.listen(path, () => {
      server.off("error", fail);
      try {
        chmodSync(path, 0o600);
        resolve();
      } catch (error) {
        reject(cannotListen(path, messageOf(error)));
      }
    });
  });
}

/** Sockets made meanwhile are their owner's from the first moment. Only the main thread may set the mask. */
export async function withOwnersMask<T>(work: () => Promise<T>): Promise<T> {
  const mask = process.umask(OWNER_ONLY);
  try {
    return await work();
  } finally {
    process.umask(mask);
  }
}

/** Folders made meanwhile stay usable. */
const OWNER_ONLY = 0o077;

function cannotListen(path: string, why: string): Error {
  return new Error(`Cannot listen on ${path}: ${why}; check control.socket and its folder's rights`);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once("connect", () => {
      probe.destroy();
      resolve(true);
    });
    // Only a refusal says that nobody is there; one who does not let us in, or has too many clients, is somebody.
    probe.once("error", (error: NodeJS.ErrnoException) => {
      resolve(error.code !== "ECONNREFUSED" && error.code !== "ENOENT");
    });
  });
}
