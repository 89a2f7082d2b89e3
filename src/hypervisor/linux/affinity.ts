/**
 * The pCPUs that a thread may run on, through the C library's sched_getaffinity and sched_setaffinity. They take a
 * thread id, and a mask of any length, so hosts with more than 64 pCPUs are no special case.
 */
import { constants } from "node:os";
import koffi from "koffi";
import type { PcpuId } from "../../core/units.ts";

export interface Affinity {
  /** Ascending; `null` when the thread is gone. */
  get(thread: number): PcpuId[] | null;
  /** What the kernel made of it; the caller reads back. */
  set(
    thread: number,
    pcpus: readonly PcpuId[],
  ): "done" | "no-such-thread" | "not-permitted" | "no-usable-pcpu";
}

/** Loads the C library at the first call, so that a machine without it can import this file. */
export const linuxAffinity: Affinity = {
  get(thread) {
    const { get, mask } = calls();
    if (get(thread, mask.length, mask) < 0) {
      if (koffi.errno() === constants.errno.ESRCH) return null;
      throw new Error(`Reading the affinity of thread ${thread} failed with errno ${koffi.errno()}`);
    }
    return pcpusOf(mask);
  },
  set(thread, pcpus) {
    if (calls().set(thread, MASK_BYTES, maskOf(pcpus)) === 0) return "done";
    const errno = koffi.errno();
    switch (errno) {
      case constants.errno.ESRCH:
        return "no-such-thread";
      case constants.errno.EPERM:
        return "not-permitted";
      case constants.errno.EINVAL:
        return "no-usable-pcpu";
      default:
        throw new Error(`Setting the affinity of thread ${thread} failed with errno ${errno}`);
    }
  },
};

/** Room for 8,192 pCPUs, the most that a Linux kernel can be built for; a shorter mask is refused on a larger host. */
const MASK_BYTES = 1_024;
/** The kernel counts in words. */
const MASK_BYTES_MIN = 8;

type Call = (thread: number, size: number, mask: Uint8Array) => number;

interface Calls {
  readonly get: Call;
  readonly set: Call;
  /** Written anew by each call of `get`. */
  readonly mask: Uint8Array;
}

let loaded: Calls | null = null;

function calls(): Calls {
  if (loaded === null) {
    const library = koffi.load("libc.so.6");
    const get: Call = library.func("int sched_getaffinity(int thread, size_t size, _Out_ uint8_t *mask)");
    const set: Call = library.func("int sched_setaffinity(int thread, size_t size, const uint8_t *mask)");
    loaded = { get, set, mask: shortestMask(get) };
  }
  return loaded;
}

/** Every thread of every guest is asked for at every look, and all bytes of a mask are copied and read. */
function shortestMask(get: Call): Uint8Array {
  for (let bytes = MASK_BYTES_MIN; bytes < MASK_BYTES; bytes *= 2) {
    const mask = new Uint8Array(bytes);
    if (0 <= get(CALLER, bytes, mask)) return mask;
  }
  return new Uint8Array(MASK_BYTES);
}

/** As a thread's number. */
const CALLER = 0;

function maskOf(pcpus: readonly PcpuId[]): Uint8Array {
  const bytes = new Uint8Array(MASK_BYTES);
  for (const pcpu of pcpus) {
    const at = pcpu >> 3;
    if (at < MASK_BYTES) bytes[at]! |= 1 << (pcpu & 7);
  }
  return bytes;
}

function pcpusOf(bytes: Uint8Array): PcpuId[] {
  const pcpus: PcpuId[] = [];
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at]!;
    if (byte === 0) continue;
    for (let bit = 0; bit < 8; bit++) if ((byte >> bit) & 1) pcpus.push(at * 8 + bit);
  }
  return pcpus;
}
