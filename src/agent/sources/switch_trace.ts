/**
 * Which threads a vCPU switches between, without a kernel module: a histogram trigger on the event sched_switch, which
 * the kernel counts in a table of bounded size.
 *
 * Attaching and detaching patches the kernel's code on every vCPU: measured on a crowded emulated guest of four, each
 * takes a second on average and five at worst, during which the writer sleeps. Pausing, going on and clearing patch
 * nothing. So the trigger is attached once, paused, and by a process of its own; it is paused and continued from then
 * on, and detached only where a paused one costs too much, which is the caller's choice: while it counts, a switch
 * costs some hundred nanoseconds more (20 microseconds emulated), paused half of that, detached nothing.
 *
 * QEMU's own emulation of a processor (TCG) does not survive the patching for sure: it may keep the translation of the
 * breakpoint that the kernel puts there for a moment, and then every vCPU that switches runs into it for ever, with
 * interrupts off. Seen in QEMU 7.2: all vCPUs at one address whose memory holds the final instruction again. Such a
 * guest is patched once, when the monitor starts; what would be detached later is paused until the agent ends. (A real
 * processor under KVM may call itself QEMU's too; it then pays for the paused trigger, no more.)
 */
import type { Platform } from "../platform.ts";

export class SwitchTrace {
  readonly #platform: Platform;
  readonly #trigger: string;
  readonly #event: string | null;
  #state: "detached" | "counting" | "paused" = "detached";
  #sinceMs = 0;
  /** The kernel's counts at the last look. */
  #seen = new Map<string, number>();
  #seenHits = 0;
  /** How often, one after the other, the kernel did not have the trigger that it was given. */
  #refusals = 0;
  readonly #isEmulated: boolean;
  /** Whether the last process that changed the trigger has ended. */
  #isChanged: () => boolean = () => true;

  /** `owner` tells the tables of two agents apart: the process id. Removes what dead agents left attached. */
  constructor(platform: Platform, owner: number) {
    this.#platform = platform;
    this.#trigger = triggerOf(`${NAME}${owner}`);
    this.#isEmulated = /^model name\s*:.*\bQEMU\b/m.test(platform.readFile("/proc/cpuinfo") ?? "");
    this.#event = EVENTS.find((event) => platform.readFile(`${event}/trigger`) !== null) ?? null;
    if (this.#event !== null) removeLeftovers(platform, this.#event);
  }

  get counting(): boolean {
    return this.#state === "counting";
  }

  /** A process is changing the trigger: `count` may succeed when it has ended. */
  get changing(): boolean {
    return this.#event !== null && !this.#isChanged();
  }

  /** Has the trigger attached, paused. Nothing when it is already, or cannot be. */
  attach(): void {
    if (this.#event === null || this.#state !== "detached" || !this.#isChanged()) return;
    if (REFUSALS_MAX <= this.#refusals) return;
    this.#change(`${this.#trigger}:pause`);
    this.#state = "paused";
    this.#forget();
  }

  /** `null` when the kernel counts from now on, else why not (yet). */
  count(): string | null {
    if (this.#event === null) return NO_TRACEFS;
    if (this.#state === "counting") return null;
    if (!this.#isChanged()) return STILL_CHANGING;
    if (this.#state === "detached") return REFUSALS_MAX <= this.#refusals ? NO_HISTOGRAM : DETACHED;
    const why = this.#platform.writeFile(`${this.#event}/trigger`, `${this.#trigger}:cont`);
    if (why !== null) {
      this.#refusals += 1;
      this.#state = "detached";
      return `The kernel does not count switches (histogram trigger on sched_switch): ${why}`;
    }
    this.#refusals = 0;
    this.#state = "counting";
    this.#sinceMs = this.#platform.nowMs();
    return null;
  }

  /** What was counted since `count` or the last call; afterwards the trigger is as `then` says. */
  take(then: "count" | "pause" | "rest"): Trace | string {
    if (this.#event === null || this.#state !== "counting") return NO_TRACEFS;
    const table = parseTable(this.#platform.readFile(`${this.#event}/hist`) ?? "", this.#trigger);
    const nowMs = this.#platform.nowMs();
    const tracedMs = nowMs - this.#sinceMs;
    this.#sinceMs = nowMs;
    const isFull = typeof table !== "string" && TABLE_FULL <= table.entries;
    const trace = typeof table === "string" ? table : { tracedMs, ...this.#grown(table) };
    if (then === "rest") this.rest();
    else if (then === "pause" || isFull) this.#pause();
    if (isFull && this.#isAttached()) this.#clear();
    return trace;
  }

  /** Counts no more until `count`. */
  pause(): void {
    if (this.#state === "counting") this.#pause();
  }

  /** For longer: detached, or paused where patching is not safe. */
  rest(): void {
    if (!this.#isEmulated) this.detach();
    else if (this.#state === "counting") this.#pause();
  }

  /** For good. */
  detach(): void {
    if (this.#event === null || this.#state === "detached") return;
    this.#change(`!${this.#trigger}`);
    this.#state = "detached";
  }

  #isAttached(): boolean {
    return this.#state !== "detached";
  }

  #pause(): void {
    this.#platform.writeFile(`${this.#event!}/trigger`, `${this.#trigger}:pause`);
    this.#state = "paused";
  }

  /** The kernel waits until no vCPU can be in the table any more. */
  #clear(): void {
    this.#change(`${this.#trigger}:clear`);
    this.#forget();
  }

  #forget(): void {
    this.#seen = new Map();
    this.#seenHits = 0;
  }

  /** What makes the kernel wait for all vCPUs is done by a process of its own: the agent must listen meanwhile. */
  #change(text: string): void {
    const earlier = this.#isChanged() ? (): boolean => true : this.#isChanged;
    const ended = this.#platform.start(["sh", "-c", `echo '${text}' >> ${this.#event}/trigger`]);
    this.#isChanged = () => earlier() && ended();
  }

  /** The table only grows, so what is new is the difference. */
  #grown({ pairs, hits }: Table): Pick<Trace, "pairs" | "hits"> {
    const grown: SwitchPair[] = [];
    for (const pair of pairs) {
      const key = `${pair.vcpu} ${pair.prev} ${pair.next}`;
      const count = pair.count - (this.#seen.get(key) ?? 0);
      if (0 < count) grown.push({ ...pair, count });
      this.#seen.set(key, pair.count);
    }
    const newHits = hits - this.#seenHits;
    this.#seenHits = hits;
    return { pairs: grown, hits: newHits };
  }
}

export interface Trace {
  readonly tracedMs: number;
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
const TABLE_ROWS = 512;
/** With more rows than this, the table is begun anew. */
const TABLE_FULL = 450;
/** A kernel without histograms never takes it; each try costs a process. */
const REFUSALS_MAX = 3;
const STILL_CHANGING = "The kernel is still at work on the trigger";
const NO_HISTOGRAM = "The kernel takes no histogram trigger on sched_switch (CONFIG_HIST_TRIGGERS)";
const DETACHED = "The trace is not attached";

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

/** The file holds one section per histogram on the event; others may have their own. */
export function parseTable(text: string, trigger: string): Table | string {
  const name = /name=\w+/.exec(trigger)![0];
  const start = text.indexOf(`# trigger info: hist:${name}:`);
  const end = start === -1 ? -1 : text.indexOf("Totals:", start);
  if (end === -1)
    return "The kernel's table of switches could not be read whole: other histograms fill the file";
  const totals = text.slice(end, end + TOTALS_CHARS);
  const total = (word: string): number => Number(new RegExp(`${word}: (\\d+)`).exec(totals)?.[1] ?? 0);
  const pairs: SwitchPair[] = [];
  for (let at = text.indexOf(ROW_START, start); at !== -1 && at < end; at = text.indexOf(ROW_START, at)) {
    if (ROWS_TAKEN_MAX <= pairs.length) break;
    const numbers: number[] = [];
    // Four numbers, each behind a colon: a regular expression would take most of the agent's time.
    for (let i = 0; i < 4; i++) {
      at = text.indexOf(":", at) + 1;
      numbers.push(Number.parseInt(text.slice(at, at + NUMBER_CHARS), 10));
    }
    const [vcpu, prev, next, count] = numbers as [number, number, number, number];
    pairs.push({ vcpu, prev, next, count });
  }
  return { pairs, entries: total("Entries"), hits: total("Hits") + total("Dropped") };
}

/** The busiest rows come first; the others count as not told apart. Each costs the agent 10 microseconds. */
const ROWS_TAKEN_MAX = 128;
const ROW_START = "{ common_cpu:";
/** A space and ten digits. */
const NUMBER_CHARS = 12;

/** Since the trigger was attached, most frequent first. */
export interface Table {
  readonly pairs: readonly SwitchPair[];
  /** Rows in the table, also those that were not taken. */
  readonly entries: number;
  readonly hits: number;
}

/** "Hits: N, Entries: N, Dropped: N" on three lines. */
const TOTALS_CHARS = 120;
