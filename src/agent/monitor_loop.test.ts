/** The two stages of the monitor on a guest of data whose kernel counts what the story says. */
import { describe, expect, test } from "vitest";
import { GuestOfData } from "./guest_of_data.ts";
import type { Request } from "./monitor/detect.ts";
import { MONITOR_DEFAULTS, thresholdsOf } from "./monitor_config.ts";
import { type Looked, MonitorLoop } from "./monitor_loop.ts";

const TRIGGER = "/sys/kernel/tracing/events/sched/sched_switch/trigger";

/** Two vCPUs; on the second so many computing threads that take turns. */
class Guest extends GuestOfData {
  readonly read: string[] = [];
  readonly looks: Looked[] = [];
  quiet = 0;
  threads = 0;
  /** What the agent uses in every second beside nothing. */
  agentMsPerSecond = 0;
  measuresDueMs = Number.POSITIVE_INFINITY;
  readonly loop: MonitorLoop;
  #waitNs = 0;
  #arrivals = 0;
  #idleTicks = [0, 0];
  #agentNs = 0;

  constructor() {
    super(2);
    this.files.set(TRIGGER, "# none\n");
    this.loop = new MonitorLoop(this, {
      config: MONITOR_DEFAULTS,
      thresholds: () => THRESHOLDS,
      host: () => null,
      measuresDueMs: () => this.measuresDueMs,
      onSample: (looked) => {
        if (looked.isWhole) this.measuresDueMs = Number.POSITIVE_INFINITY;
        this.looks.push(looked);
      },
      onQuiet: () => {
        this.quiet += 1;
      },
    });
  }

  override readFile(path: string): string | null {
    this.read.push(path);
    return super.readFile(path);
  }

  /** Time passes for everybody. */
  live(ms: number): void {
    for (let left = ms; 0 < left; left -= STEP_MS) {
      this.#waitNs += Math.max(0, this.threads - 1) * STEP_MS * 1e6;
      this.#arrivals += this.threads < 2 ? 0 : STEP_MS / 10;
      this.#agentNs += (this.agentMsPerSecond * STEP_MS * 1e6) / 1_000;
      this.#idleTicks = [this.#idleTicks[0]! + 1, this.#idleTicks[1]! + (this.threads === 0 ? 1 : 0)];
      this.#write();
      this.pass(STEP_MS);
    }
  }

  requests(): Request[] {
    return this.looks.flatMap(({ request }) => (request === null ? [] : [request]));
  }

  #write(): void {
    const queue = `0 0 0 0 0 0 0 ${this.#waitNs} ${this.#arrivals}`;
    const [a, b] = this.#idleTicks;
    this.files
      .set("/proc/schedstat", `version 15\ncpu0 0 0 0 0 0 0 0 0 5\ncpu1 ${queue}\n`)
      .set("/proc/stat", `cpu0 0 0 0 ${a} 0 0 0 0\ncpu1 0 0 0 ${b} 0 0 0 0\nctxt ${this.#arrivals + 10}\n`)
      .set("/proc/self/stat", `77 (vbal-agent) S ${"0 ".repeat(35)}0 0\n`)
      .set("/proc/self/schedstat", `${this.#agentNs} 0 1\n`);
  }
}
/** One of the kernel's ticks. */
const STEP_MS = 10;
const THRESHOLDS = thresholdsOf(MONITOR_DEFAULTS);

function started(more: Partial<Pick<Guest, "threads" | "agentMsPerSecond">> = {}): Guest {
  const guest = new Guest();
  Object.assign(guest, more);
  guest.live(STEP_MS);
  guest.loop.start();
  guest.live(5_000);
  return guest;
}

describe("a guest that is not short of vCPUs", () => {
  test.each([0, 1])("with %i threads it costs one file per glance, two glances a second", (threads) => {
    const guest = started({ threads });
    guest.read.length = 0;
    guest.looks.length = 0;
    guest.live(10_000);
    expect(new Set(guest.read)).toEqual(new Set(["/proc/schedstat"]));
    expect(guest.read).toHaveLength(20);
    expect([guest.looks.length, guest.writes.at(-1)?.endsWith(":pause") ?? true]).toEqual([0, true]);
    expect(guest.quiet).toBeGreaterThanOrEqual(20);
  });

  test("it is looked at closely when the host wants to see measures, for one interval that ends when they are due", () => {
    const guest = started();
    guest.looks.length = 0;
    const wantedMs = guest.nowMs() + 10_000;
    guest.measuresDueMs = wantedMs;
    guest.live(20_000);
    expect(guest.looks.map(({ isWhole, request }) => [isWhole, request])).toEqual([[true, null]]);
    expect(Math.abs(guest.looks[0]!.sample.atMs - wantedMs)).toBeLessThanOrEqual(250);
    expect(guest.looks[0]!.sample.intervalMs).toBe(1_000);
    expect(guest.looks[0]!.sample.measured.length).toBeGreaterThan(50);
  });
});

describe("a guest that becomes short of vCPUs", () => {
  test.each([0, 120, 250, 380, 490])(
    "asks within 2.6 s, %i ms into a glance's interval, and measured it",
    (late) => {
      const guest = started();
      guest.looks.length = 0;
      guest.live(late - (late % STEP_MS));
      const onsetMs = guest.nowMs();
      guest.threads = 3;
      while (guest.requests().length === 0 && guest.nowMs() < onsetMs + 10_000) guest.live(STEP_MS);
      expect(guest.nowMs() - onsetMs).toBeLessThanOrEqual(2_600);
      // Two whole intervals at least (pitfall 11), in which everything that the threshold asks for was looked at.
      expect(guest.looks.length).toBeGreaterThanOrEqual(2);
      expect(guest.requests()[0]).toMatchObject({ measure: "vcpu.composite", subject: 1, node: 0 });
      expect(guest.looks.every(({ isWhole }) => !isWhole)).toBe(true);
    },
  );

  test("a load of less than the sustained time asks for nothing, and the monitor rests again", () => {
    const guest = started();
    guest.threads = 3;
    guest.live(900);
    guest.threads = 0;
    guest.live(4_000);
    expect(guest.requests()).toEqual([]);
    guest.read.length = 0;
    guest.live(2_000);
    expect(new Set(guest.read)).toEqual(new Set(["/proc/schedstat"]));
  });

  test("pitfall 11: two short loads with a rest between them are not one long one", () => {
    const guest = started();
    for (let i = 0; i < 5; i++) {
      guest.threads = 3;
      guest.live(900);
      guest.threads = 0;
      guest.live(2_100);
    }
    expect(guest.requests()).toEqual([]);
  });

  test("an agent that used more than its allowance leaves the trace alone, says so, and goes on asking", () => {
    const guest = started({ threads: 3, agentMsPerSecond: 200 });
    guest.live(10_000);
    guest.started.length = 0;
    guest.writes.length = 0;
    guest.looks.length = 0;
    guest.live(5_000);
    expect([guest.started, guest.writes.filter((write) => write.endsWith(":cont"))]).toEqual([[], []]);
    expect(guest.looks[0]!.degraded.join()).toContain("more than 1 % of a vCPU");
    expect(guest.requests().length).toBeGreaterThanOrEqual(4);
    // With the allowance kept, the trace goes on.
    const modest = started({ threads: 3, agentMsPerSecond: 5 });
    modest.live(10_000);
    modest.writes.length = 0;
    modest.live(5_000);
    expect(modest.looks.at(-1)!.degraded.join()).not.toContain("more than 1 %");
  });
});

test("a kernel without schedstat: nothing can be told from the run queues, so it is always looked at closely", () => {
  const guest = started();
  guest.looks.length = 0;
  const stat = guest.files.get("/proc/stat")!;
  for (let i = 0; i < 3; i++) {
    guest.files.delete("/proc/schedstat");
    guest.files.set("/proc/stat", stat);
    guest.pass(1_000);
  }
  expect(guest.looks.length).toBeGreaterThanOrEqual(1);
});
