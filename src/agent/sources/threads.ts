/**
 * Who a thread is: its process, and its application. An application is a cgroup, since service managers and container
 * engines give each service, container and desktop application one of its own; in the root group and in login
 * sessions, where unrelated programs share one, it is the name of the process. All kernel threads are one application.
 */
import type { Platform } from "../platform.ts";
import { type Scan, UNBOUNDED_SCAN } from "./scan.ts";

export class Threads {
  readonly #platform: Platform;
  readonly #known = new Map<number, { readonly thread: Thread; readonly learntMs: number }>();

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  find(tid: number): Thread | undefined {
    return this.#known.get(tid)?.thread;
  }

  /** Looks up those not known yet, or known for long, in the order given; LOOKUPS_MAX of them. */
  learn(tids: Iterable<number>, scan: Scan = UNBOUNDED_SCAN): void {
    const nowMs = this.#platform.nowMs();
    let lookups = 0;
    for (const tid of new Set(tids)) {
      const known = this.#known.get(tid);
      if (tid === IDLE || (known !== undefined && nowMs - known.learntMs < TRUST_MS)) continue;
      if (!scan.goesOn()) continue;
      if (++lookups > LOOKUPS_MAX) return;
      const thread = readThread(this.#platform, tid);
      this.#known.delete(tid);
      if (thread !== null) this.#known.set(tid, { thread, learntMs: nowMs });
    }
    for (const [tid] of this.#known) {
      if (this.#known.size <= KNOWN_MAX) break;
      this.#known.delete(tid);
    }
  }
}

export interface Thread {
  readonly process: number;
  readonly application: string;
}

const IDLE = 0;

/** Each costs two or three small files; two thousand threads are known after half a minute. */
const LOOKUPS_MAX = 64;
/** Thread ids are used again, though hardly within this time (pid_max is 32,768 or more). */
const TRUST_MS = 60_000;
/** The longest known go first. */
const KNOWN_MAX = 4_096;

function readThread(platform: Platform, tid: number): Thread | null {
  const status = platform.readFile(`/proc/${tid}/status`);
  if (status === null) return null;
  const process = Number(field(status, "Tgid"));
  if (process === KTHREADD || field(status, "PPid") === `${KTHREADD}`)
    return { process, application: "kernel" };
  const group = /^0::(.*)$/m.exec(platform.readFile(`/proc/${process}/cgroup`) ?? "")?.[1] ?? "/";
  if (group !== "/" && !/\/session-[^/]*\.scope$/.test(group)) return { process, application: group };
  const name =
    tid === process ? field(status, "Name") : (platform.readFile(`/proc/${process}/comm`) ?? "").trim();
  return { process, application: name };
}

const KTHREADD = 2;

function field(status: string, name: string): string {
  const start = status.indexOf(`${name}:`);
  return start === -1 ? "" : status.slice(start + name.length + 1, status.indexOf("\n", start)).trim();
}
