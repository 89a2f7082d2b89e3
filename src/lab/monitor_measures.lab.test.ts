/**
 * The load monitor against independent sources, on a real guest with two nodes: the kernel's own total, programs that
 * hold a known number of threads, programs whose switches are known, and what switching costs the vCPU's thread on the
 * host.
 *
 * The guest is emulated on a host that others use, so a window may be a bad one. Two things keep that out of the result:
 * - What is compared with the kernel's total is bracketed: the same total, read all the time by somebody else, gives the
 *   least and the most that can have happened between any two moments. The measured number must lie between the two.
 * - What makes a window worth nothing is said beforehand, as `useless`, and never depends on how near the measured value
 *   is to the expected one: the bracket is wider than what is claimed, the load did not run inside the window, its threads
 *   had too few turns, or the monitor itself said that it does not know. Such a window is taken again, WINDOWS_MAX times
 *   at most. Every value that another window gives must be right.
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import type { Guest } from "./guest.ts";
import { type Lab, startLab } from "./lab.ts";

const WINDOWS_MAX = 8;

let lab: Lab;
let guest: Guest;

beforeAll(async () => {
  lab = await startLab({ dir: "monitor-test", restore: true });
  guest = await lab.boot({ name: "watched", vcpus: 4, numaNodes: 2 });
  await guest.waitReady();
  // An emulated processor may hang when the kernel patches the event in under load (agent/sources/switch_trace.ts): a
  // paused trigger of ours keeps it patched in from the quiet start on.
  await guest.output(inShell(`echo 'hist:keys=common_cpu:pause' >> ${EVENT}/trigger`));
});

afterAll(async () => {
  await lab.down();
});

test("P-46: switches in all are the kernel's own total, within 1 %", async () => {
  // The load falls into the window: at both ends of it few switches happen, so that the bracket is narrow there.
  const { taken, least, most } = await firstUsable(
    async () => {
      const printed = await guest.output(inShell(P46));
      const taken = takenFrom(printed.slice(0, printed.indexOf(READINGS)));
      const readings = readingsOf(printed.slice(printed.indexOf(READINGS) + READINGS.length));
      return { taken, ...bracketOf(readings, taken) };
    },
    ({ least, most }) =>
      most - least <= BRACKET_MAX * least
        ? null
        : `Between ${least} and ${most} switches: that is wider than what is claimed`,
  );
  const measured = (readingOf(taken, "vm.switches.group", null) * taken.intervalMs) / 1_000;
  console.log(`P-46: ${Math.round(measured)} measured, between ${least} and ${most} by the kernel's total`);
  // What is claimed is 1 %; what can be shown is the bracket, which is narrower.
  expect(measured).toBeGreaterThanOrEqual(least - 1);
  expect(measured).toBeLessThanOrEqual(most + 1);
  expect(readingOf(taken, "vm.switches", null) * 4).toBeCloseTo(
    readingOf(taken, "vm.switches.group", null),
    3,
  );
});

/** At most so much of the total may lie between the bracket's ends. */
const BRACKET_MAX = 0.01;
const READINGS = "READINGS";
/** A loop of the shell's own words, so that reading costs next to nothing: uptime, then the total of switches. */
const READ_TOTAL = [
  "read up idle < /proc/uptime",
  "while read name total; do case $name in ctxt) echo $up $total; break;; esac; done < /proc/stat",
  "usleep 20000",
].join("; ");
const P46 = [
  `taskset 2 sh -c 'while :; do ${READ_TOTAL}; done' > /tmp/readings & reader=$!`,
  "rm -f /tmp/begun; taskset 1 vbal-agent measures --json --seconds 8 > /tmp/m 2> /tmp/begun & agent=$!",
  "while ! [ -s /tmp/begun ]; do usleep 20000; done; sleep 0.4",
  "taskset 8 /lab/pattern ring 2 2 5 > /dev/null & taskset 4 /lab/pattern ring 2 2 5 > /dev/null",
  `wait $agent; sleep 0.4; kill $reader; cat /tmp/m; echo; echo ${READINGS}; cat /tmp/readings`,
]
  .join("; ")
  .replaceAll("&;", "&");

interface TotalAt {
  /** Before the total was read, in whole steps of the clock. */
  readonly atMs: number;
  readonly total: number;
}
const CLOCK_STEP_MS = 10;

function readingsOf(printed: string): readonly TotalAt[] {
  return [...printed.matchAll(/^(\d+\.\d\d) (\d+)$/gm)].map(([, up, total]) => ({
    atMs: Number(up) * 1_000,
    total: Number(total),
  }));
}

/** What can have happened between the two ends of the window; the clocks of both are the guest's since its boot. */
function bracketOf(
  readings: readonly TotalAt[],
  { atMs, intervalMs }: Taken,
): { least: number; most: number } {
  const around = (ms: number) => {
    // A reading was made before the next one began; the monitor read what it read somewhat before it looked at the clock.
    const next = readings.findLastIndex((each) => each.atMs + CLOCK_STEP_MS <= ms - SLACK_MS);
    return {
      before: readings[next - 1]?.total ?? Number.NEGATIVE_INFINITY,
      after: readings.find((each) => ms <= each.atMs)?.total ?? Number.POSITIVE_INFINITY,
    };
  };
  const [start, end] = [around(atMs - intervalMs), around(atMs)];
  return { least: end.before - start.after, most: end.after - start.before };
}
/** In which a starved vCPU may have had no turn. */
const SLACK_MS = 50;

/** Three windows, each taken again while it proves nothing. */
const WINDOWS_MAX_MS = 300_000;

test(
  "P-25..P-34, P-35..P-54: known numbers of runnable threads on three vCPUs, and what nodes and VM make of them",
  async () => {
    const held = [
      { vcpu: 1, processes: 1, threads: 1 },
      { vcpu: 2, processes: 5, threads: 1 },
      { vcpu: 3, processes: 2, threads: 3 },
    ];
    const take = () =>
      firstUsable(
        () =>
          measure({
            seconds: 4,
            under: held.map((each) => ({ ...each, pattern: `hold ${each.processes} ${each.threads}` })),
          }),
        (sample) =>
          unknownOf(sample, "vcpu.runnable-applications", [1, 2, 3]) ??
          tooFewTurns(
            sample,
            held.map(({ vcpu, processes, threads }) => ({ vcpu, threads: processes * threads })),
          ),
      );
    // What a crowded host does at a window's ends may be half a thread: the median of three.
    const windows = [await take(), await take(), await take()];
    const taken = windows[0]!;
    const usual = (id: string, subject: number) =>
      medianOf(windows.map((window) => readingOf(window, id, subject)));
    for (const { vcpu, processes, threads } of held) {
      const found = ["threads", "processes", "applications"].map((what) =>
        usual(`vcpu.runnable-${what}`, vcpu),
      );
      console.log(`P-32..P-34: vCPU ${vcpu}: ${found.map((value) => value.toFixed(2)).join(", ")}`);
      expect(found[0]).toBeCloseTo(processes * threads, 0);
      expect(found[1]).toBeCloseTo(processes, 0);
      expect(found[2]).toBeCloseTo(1, 0);
    }
    expect(usual("vcpu.runnable-threads", 0)).toBeLessThan(0.7);

    const requirements = new Set(taken.measures.map(({ requirement }) => requirement));
    expect(Array.from({ length: 30 }, (_, i) => `P-${25 + i}`).filter((id) => !requirements.has(id))).toEqual(
      [],
    );
    const subjects = (id: string) =>
      taken.measures.filter((each) => each.id === id).map(({ subject }) => subject);
    expect([subjects("vcpu.cycles"), subjects("node.cycles"), subjects("vm.cycles")]).toEqual([
      [0, 1, 2, 3],
      [0, 1],
      [null],
    ]);
    expect(taken.measures.filter(({ value, source }) => (value === null) !== (source === null))).toEqual([]);

    const vcpus = [0, 1, 2, 3].map((vcpu) => readingOf(taken, "vcpu.runnable-threads", vcpu));
    expect(readingOf(taken, "node.runnable-threads", 1)).toBeCloseTo((vcpus[2]! + vcpus[3]!) / 2, 6);
    expect(readingOf(taken, "node.runnable-threads.maximum", 1)).toBe(Math.max(vcpus[2]!, vcpus[3]!));
    expect(readingOf(taken, "node.runnable-threads", 0)).toBeCloseTo((vcpus[0]! + vcpus[1]!) / 2, 6);
    const cycles = [0, 1, 2, 3].map((vcpu) => readingOf(taken, "vcpu.cycles", vcpu));
    expect(readingOf(taken, "node.cycles", 0) / (cycles[0]! + cycles[1]!)).toBeCloseTo(1, 6);
    expect(readingOf(taken, "vm.cycles", null) / cycles.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
    expect(usual("node.composite", 1)).toBeGreaterThan(1);
    expect(readingOf(taken, "node.composite", 0)).toBeLessThan(1);
  },
  WINDOWS_MAX_MS,
);

test("P-27, P-28: switches within and between processes, of three known patterns at once", async () => {
  const rings = [
    { vcpu: 1, pattern: "ring 1 3", within: 1 },
    { vcpu: 2, pattern: "ring 3 1", within: 0 },
    { vcpu: 3, pattern: "ring 2 2", within: 0.5 },
  ];
  // What is traced is a twentieth of a second, of which a vCPU may have had a hundredth on the host: the median of three.
  const windows = await usable(
    3,
    () => measure({ seconds: 1, under: rings }),
    (sample) => unknownOf(sample, "vcpu.switches-same-process", [1, 2, 3]),
  );
  for (const { vcpu, within } of rings) {
    const parts = windows.map((taken) => {
      const same = readingOf(taken, "vcpu.switches-same-process", vcpu);
      const other = readingOf(taken, "vcpu.switches-other-process", vcpu);
      return {
        within: same / (same + other),
        told: (same + other) / readingOf(taken, "vcpu.switches", vcpu),
      };
    });
    const found = medianOf(parts.map((part) => part.within));
    console.log(`P-27, P-28: vCPU ${vcpu}: ${found.toFixed(3)} within, ${within} expected`);
    expect(Math.abs(found - within)).toBeLessThan(0.08);
    expect(medianOf(parts.map(({ told }) => told))).toBeGreaterThan(0.9);
  }
});

test("P-30: cycles consumed by switches, against what a hop with and without a switch costs on the host", async () => {
  // Both kinds in turn, so that what the host's other users do meets both; the median of the pairs, since the monitor
  // calibrates the cost of a switch within 40 ms, in which they may be at work.
  const ratios: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const alone = await hopOnHost({ pattern: "ring 1 1", measured: false });
    const switching = await firstUsable(
      () => hopOnHost({ pattern: "ring 1 2", measured: true }),
      ({ why }) => why,
    );
    const expected = (switching.nsPerHop - alone.nsPerHop) / switching.nsPerHop;
    // The guest cannot see how long its vCPU really ran; what the host saw turns its share into a physical one.
    const share = switching.share / switching.ran;
    console.log(`P-30: ${share.toFixed(3)} measured, ${expected.toFixed(3)} expected`);
    ratios.push(share / expected);
  }
  const median = medianOf(ratios);
  expect(median).toBeGreaterThan(0.4);
  expect(median).toBeLessThan(2.5);
});

const ROUNDS = 3;

test("nothing stays attached to the kernel", async () => {
  await expect
    .poll(() => guest.output(["cat", `${EVENT}/trigger`]), { timeout: 20_000 })
    .not.toContain("vbal");
});

const EVENT = "/sys/kernel/tracing/events/sched/sched_switch";

const PATTERN = z.object({ startMs: z.number(), seconds: z.number(), hops: z.number() });

const TAKEN = z.object({
  atMs: z.number(),
  intervalMs: z.number(),
  measures: z.array(
    z.object({
      id: z.string(),
      requirement: z.string(),
      level: z.enum(["vcpu", "node", "vm"]),
      subject: z.number().nullable(),
      value: z.number().nullable(),
      unit: z.string(),
      source: z.string().nullable(),
      why: z.string().optional(),
    }),
  ),
});
type Taken = z.infer<typeof TAKEN>;

function takenFrom(json: string): Taken {
  return TAKEN.parse(JSON.parse(json));
}

/** The first window that proves anything; see the head of this file. `useless`: why it does not, or `null`. */
async function firstUsable<T>(take: () => Promise<T>, useless: (window: T) => string | null): Promise<T> {
  return (await usable(1, take, useless))[0]!;
}

async function usable<T>(
  wanted: number,
  take: () => Promise<T>,
  useless: (window: T) => string | null,
): Promise<readonly T[]> {
  const windows: T[] = [];
  const reasons: string[] = [];
  while (windows.length < wanted && reasons.length < WINDOWS_MAX) {
    const window = await take();
    const why = useless(window);
    if (why === null) {
      windows.push(window);
    } else {
      console.log(`Window ${reasons.length + 1} proves nothing: ${why}`);
      reasons.push(why);
    }
  }
  if (windows.length === wanted) return windows;
  throw new Error(`${WINDOWS_MAX} windows proved nothing: ${reasons.join("; ")}`);
}

/** Of an odd number. */
function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[(values.length - 1) / 2]!;
}

function find({ measures }: Taken, id: string, subject: number | null): Taken["measures"][number] {
  const found = measures.find((each) => each.id === id && each.subject === subject);
  if (found === undefined) throw new Error(`There is no ${id} of ${subject}`);
  return found;
}

/** Why the monitor does not know it of one of these; `null` when it knows it of all. */
function unknownOf(taken: Taken, id: string, subjects: readonly number[]): string | null {
  for (const subject of subjects) {
    const { value, why } = find(taken, id, subject);
    if (value === null) return `${id} of ${subject}: ${why}`;
  }
  return null;
}

/**
 * The kernel counts a thread's waiting when its turn comes, so each of `threads` may lack up to a round of turns at either end
 * of the window: of N turns in all, threads x threads / N of a thread.
 */
function tooFewTurns(
  taken: Taken,
  held: readonly { readonly vcpu: number; readonly threads: number }[],
): string | null {
  for (const { vcpu, threads } of held) {
    if (threads === 1) continue;
    const turns = (readingOf(taken, "vcpu.switches", vcpu) * taken.intervalMs) / 1_000;
    if (turns * TURNS_LACK_MAX < threads * threads)
      return `${threads} threads on vCPU ${vcpu} had ${Math.round(turns)} turns in all`;
  }
  return null;
}
/** Of a thread. */
const TURNS_LACK_MAX = 0.3;

function readingOf(taken: Taken, id: string, subject: number | null): number {
  const { value, why } = find(taken, id, subject);
  if (value === null) throw new Error(`No ${id} of ${subject}: ${why}`);
  return value;
}

function inShell(script: string): readonly string[] {
  return ["sh", "-c", script];
}

interface Load {
  readonly vcpu: number;
  readonly pattern: string;
}

/** Starts patterns, each on one vCPU, lets them get going, and measures on vCPU 0; the shell's end ends them. */
async function measure(of: { readonly seconds: number; readonly under: readonly Load[] }): Promise<Taken> {
  const starts = of.under.map(
    ({ vcpu, pattern }) => `taskset ${(1 << vcpu).toString(16)} /lab/pattern ${pattern} 60 > /dev/null &`,
  );
  const script = `${starts.join(" ")} trap 'kill $(pidof pattern)' EXIT; sleep 0.5; taskset 1 vbal-agent measures --json --seconds ${of.seconds}`;
  return takenFrom(await guest.output(inShell(script)));
}

interface Hops {
  readonly nsPerHop: number;
  /** The part of the time in which the vCPU's thread ran on the host. */
  readonly ran: number;
  /** Of the vCPU's cycles, as the guest measured it. */
  readonly share: number;
  /** Why it proves nothing, or `null`. */
  readonly why: string | null;
}

/** What one hop of a ring on vCPU 1 takes of that vCPU's thread on the host. */
async function hopOnHost(of: { readonly pattern: string; readonly measured: boolean }): Promise<Hops> {
  const { tid } = (await guest.vcpuThreads()).find(({ index }) => index === 1)!;
  const runNs = (): number =>
    readFileSync(`/proc/${guest.pid}/task/${tid}/stat`, "latin1")
      .split(") ")[1]!
      .split(" ")
      .slice(11, 13)
      .reduce((sum, ticks) => sum + Number(ticks), 0) * 10_000_000;
  const meanwhile = of.measured ? "taskset 1 vbal-agent measures --json --seconds 1" : "sleep 1";
  const [startNs, startMs] = [runNs(), performance.now()];
  const printed = await guest.output(
    inShell(
      `taskset 2 /lab/pattern ${of.pattern} 60 > /tmp/hops & ${meanwhile}; kill $!; wait; cat /tmp/hops`,
    ),
  );
  const usedNs = runNs() - startNs;
  const ran = usedNs / ((performance.now() - startMs) * 1e6);
  const burst = PATTERN.parse(JSON.parse(printed.trim().split("\n").at(-1)!));
  const hops = { nsPerHop: usedNs / burst.hops, ran, share: 0, why: null };
  if (!of.measured) return hops;
  const taken = takenFrom(printed.slice(0, printed.lastIndexOf("}", printed.lastIndexOf("{")) + 1));
  const why = unknownOf(taken, "vcpu.switch-share-same-process", [1]);
  if (why !== null) return { ...hops, why };
  return { ...hops, share: readingOf(taken, "vcpu.switch-share-same-process", 1) / 100 };
}
