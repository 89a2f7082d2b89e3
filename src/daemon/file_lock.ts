/**
 * One owner of something at a time: an exclusive flock on a file of its own, which the kernel lets go of however its
 * owner ends, so that none is ever left behind. The file stays and holds the pid of its last owner, for messages.
 */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { constants } from "node:os";
import koffi from "koffi";

export interface FileLock {
  release(): void;
}

/** `heldBy`: somebody else has it, of this pid where it is known. Throws when `path` cannot be locked at all. */
export function lockFile(path: string): { readonly lock: FileLock } | { readonly heldBy: number | null } {
  // Opened for appending: what stands there is the owner's until the lock is ours.
  const fd = openSync(path, "a", FILE_MODE);
  if (flock()(fd, LOCK_EX | LOCK_NB) !== 0) {
    const errno = koffi.errno();
    closeSync(fd);
    if (errno === constants.errno.EWOULDBLOCK) return { heldBy: pidIn(path) };
    throw new Error(`flock of ${path} failed with errno ${errno}`);
  }
  ftruncateSync(fd);
  writeSync(fd, `${process.pid}\n`);
  return { lock: { release: () => closeSync(fd) } };
}

const FILE_MODE = 0o600;
/** As in <sys/file.h>, the same on every architecture of Linux. */
const LOCK_EX = 2;
const LOCK_NB = 4;

function pidIn(path: string): number | null {
  return Number(/^\d+/.exec(readFileSync(path, "latin1"))?.[0] ?? 0) || null;
}

type Flock = (fd: number, operation: number) => number;
let loaded: Flock | null = null;

function flock(): Flock {
  loaded ??= koffi.load("libc.so.6").func("int flock(int fd, int operation)") as Flock;
  return loaded;
}
