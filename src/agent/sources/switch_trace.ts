/**
 * Which threads a vCPU switches between, without a kernel module: a histogram trigger on the event sched_switch, which
 * the kernel counts in a table of bounded size. While it is attached every switch costs some hundred nanoseconds, so
 * the caller attaches it for a part of each interval only, and nothing is left attached in between.
 */
import type { Platform } from "../platform.ts";

export class SwitchTrace {
  readonly #platform: Platform;
  readonly #trigger: string;
  readonly #event: string | null;
  #attachedMs: number | null = null;

  /** `owner` tells the tables of two agents apart: the process id. Removes what dead agents left attached. */
  constructor(platform: Platform, owner: number) {
    this.#platform = platform;
    this.#trigger = triggerOf(`${NAME}${owner}`);
    this.#event = EVENTS.find((event) => platform.readFile(`${event}/trigger`) !== null) ?? null;
    if (this.#event !== null) removeLeftovers(platform, this.#event);
  }

  get attached(): boolean {
    return this.#attachedMs !== null;
  }

  /** `null` when the kernel counts from now on, else why not. */
  attach(): string | null {
    if (this.#event === null) return NO_TRACEFS;
    if (this.attached) return null;
    const why = this.#platform.writeFile(`${this.#event}/trigger`, this.#trigger);
    if (why !== null) return `The kernel does not count switches (histogram trigger on sched_switch): ${why}`;
    this.#attachedMs = this.#platform.nowMs();
    return null;
  }

  /** What was counted since `attach`; stops counting. */
  take(): Trace | string {
    if (this.#event === null || this.#attachedMs === null) return NO_TRACEFS;
    const text = this.#platform.readFile(`${this.#event}/hist`) ?? "";
    const tracedMs = this.#platform.nowMs() - this.#attachedMs;
    this.detach();
    return parseTrace(text, { trigger: this.#trigger, tracedMs });
  }

  detach(): void {
    if (this.#event === null || this.#attachedMs === null) return;
    this.#platform.writeFile(`${this.#event}/trigger`, `!${this.#trigger}`);
    this.#attachedMs = null;
  }
}

export interface Trace {
  readonly tracedMs: number;
  /** Most frequent first. */
  readonly pairs: readonly SwitchPair[];
  /** All switches that happened meanwhile, also those that found the table full. */
  readonly hits: number;
}

export interface SwitchPair {
  readonly vcpu: number;
  /** Thread ids; 0 is idle. */
  readonly prev: number;
  readonly next: number;
  readonly count: number;
}

/**
 * Rows in the kernel's table (the kernel wants a power of two). A vCPU's busiest pairs fill far fewer; with two
 * thousand threads that switch at random, what no longer fits is counted as unidentified.
 */
const TABLE_ROWS = 1_024;

const NAME = "vbal_";
const EVENTS = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"].map(
  (root) => `${root}/events/sched/sched_switch`,
);
const NO_TRACEFS =
  "There is no tracefs with the event sched_switch: mount -t tracefs tracefs /sys/kernel/tracing";

function triggerOf(name: string): string {
  return `hist:name=${name}:keys=common_cpu,prev_pid,next_pid:sort=hitcount.descending:size=${TABLE_ROWS}`;
}

/** An agent that was killed could not remove its trigger, and every switch goes on paying for it. */
function removeLeftovers(platform: Platform, event: string): void {
  for (const [, pid] of (platform.readFile(`${event}/trigger`) ?? "").matchAll(/hist:name=vbal_(\d+):/g)) {
    if (platform.readFile(`/proc/${pid}/comm`) !== null) continue;
    platform.writeFile(`${event}/trigger`, `!${triggerOf(`${NAME}${pid}`)}`);
  }
}

const ROW = /common_cpu: +(\d+), prev_pid: +(\d+), next_pid: +(\d+) \} hitcount: +(\d+)/g;

/** The file holds one section per histogram on the event; others may have their own. */
export function parseTrace(
  text: string,
  of: { readonly trigger: string; readonly tracedMs: number },
): Trace | string {
  const name = /name=\w+/.exec(of.trigger)![0];
  const start = text.indexOf(`# trigger info: hist:${name}:`);
  const end = start === -1 ? -1 : text.indexOf("Totals:", start);
  if (end === -1)
    return "The kernel's table of switches could not be read whole: other histograms fill the file";
  const totals = text.slice(end, end + TOTALS_CHARS);
  const total = (word: string): number => Number(new RegExp(`${word}: (\\d+)`).exec(totals)?.[1] ?? 0);
  const pairs = [...text.slice(start, end).matchAll(ROW)].map(
    ([, vcpu, prev, next, count]): SwitchPair => ({
      vcpu: Number(vcpu),
      prev: Number(prev),
      next: Number(next),
      count: Number(count),
    }),
  );
  return { tracedMs: of.tracedMs, pairs, hits: total("Hits") + total("Dropped") };
}

/** "Hits: N, Entries: N, Dropped: N" on three lines. */
const TOTALS_CHARS = 120;
