/**
 * Finds threads that run on a vCPU without ever switching, hence without a trace: a few threads of the guest are looked
 * at after each sample, and only while there is such a vCPU. A thread that is runnable on one of them is it.
 */
import type { Platform } from "../platform.ts";
import { type Scan, UNBOUNDED_SCAN } from "./scan.ts";
import type { SwitchPair } from "./switch_trace.ts";

export class LoneThreads {
  readonly #platform: Platform;
  /** Still to be looked at in this round, last first: paths of threads. */
  #left: string[] = [];
  /** By vCPU. */
  #found = new Map<number, number>();

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  /** Looks at the next few threads; answers the ids of those found on these vCPUs. */
  look(vcpus: ReadonlySet<number>, scan: Scan = UNBOUNDED_SCAN): readonly number[] {
    this.#found = new Map();
    if (vcpus.size === 0) {
      this.#left = [];
      return [];
    }
    if (this.#left.length === 0) this.#left = processesOf(this.#platform);
    for (let looks = 0; looks < LOOKS_MAX && this.#left.length > 0; looks++) {
      if (!scan.goesOn()) break;
      this.#lookAt(vcpus);
    }
    return [...this.#found.values()];
  }

  /** As if they had been seen to switch once, each on its vCPU. */
  pairs(): readonly SwitchPair[] {
    return [...this.#found].map(([vcpu, tid]) => ({ vcpu, prev: 0, next: tid, count: 1 }));
  }

  #lookAt(vcpus: ReadonlySet<number>): void {
    const path = this.#left.pop()!;
    if (!path.includes("/task/")) {
      const threads = this.#platform.listDirectory(`${path}/task`).map((tid) => `${path}/task/${tid}`);
      if (this.#left.length + threads.length <= LEFT_MAX) this.#left.push(...threads);
      return;
    }
    const stat = this.#platform.readFile(`${path}/stat`) ?? "";
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const vcpu = Number(fields[PROCESSOR_FIELD]);
    if (fields[0] === "R" && vcpus.has(vcpu)) this.#found.set(vcpu, Number.parseInt(stat, 10));
  }
}

/** Each costs one small file: two milliseconds of an emulated vCPU, a tenth of that on a real one. */
const LOOKS_MAX = 32;
/** Paths that wait; a guest with more threads is looked through in part. */
const LEFT_MAX = 4_096;
/** Field 39 of /proc/N/stat, counted from behind the name. */
const PROCESSOR_FIELD = 36;

/** Youngest first: they are taken from the end, and a load that is new is the one to be found. */
function processesOf(platform: Platform): string[] {
  return platform
    .listDirectory("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .sort((a, b) => a - b)
    .slice(-LEFT_MAX)
    .map((pid) => `/proc/${pid}`);
}
