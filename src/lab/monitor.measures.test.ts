/**
 * The load monitor against independent sources, on a real guest with two nodes: the kernel's own total, a program
 * that holds a known number of threads, one whose switches are known, and what switching costs the vCPU's thread on
 * the host.
 */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import type { Guest } from "./guest.ts";
import { type Lab, startLab } from "./lab.ts";

let lab: Lab;
let guest: Guest;

beforeAll(async () => {
  lab = await startLab({ dir: "monitor-test" });
  guest = await lab.boot({ name: "watched", vcpus: 4, numaNodes: 2 });
  await guest.waitReady();
  // Patching the kernel for the first trigger while vCPUs switch thousands of times a second can lock up an emulated
  // guest: a paused trigger of ours keeps the event patched in from the quiet start on.
  await guest.output(inShell(`echo 'hist:keys=common_cpu:pause' > ${EVENT}/trigger`));
});

afterAll(async () => {
  await lab.down();
});

test("P-25..P-54: a stock guest shows every measure, for every vCPU, node and the VM", async () => {
  const { measures } = await measure({ seconds: 1 });
  const found = new Set(measures.map(({ requirement }) => requirement));
  expect(Array.from({ length: 30 }, (_, i) => `P-${25 + i}`).filter((id) => !found.has(id))).toEqual([]);
  const subjects = (id: string) => measures.filter((each) => each.id === id).map(({ subject }) => subject);
  expect([subjects("vcpu.cycles"), subjects("node.cycles"), subjects("vm.cycles")]).toEqual([
    [0, 1, 2, 3],
    [0, 1],
    [null],
  ]);
  expect(measures.filter(({ value, source }) => (value === null) !== (source === null))).toEqual([]);
});

test("P-46: switches in all are the kernel's own total, within 1 %", async () => {
  const watch =
    "while read -r up idle < /proc/uptime; do echo $up $(grep ctxt /proc/stat); usleep 100000; done";
  const printed = await guest.output(
    inShell(
      `${load("ring 2 2", 2)} ( ${watch} ) > /tmp/ctxt & vbal-agent measures --json --seconds 6; kill $!; echo; cat /tmp/ctxt`,
    ),
  );
  const taken = takenFrom(printed.slice(0, printed.lastIndexOf("}") + 1));
  const seen = [...printed.matchAll(/^([\d.]+) ctxt (\d+)$/gm)].map(([, up, count]) => ({
    atMs: Number(up) * 1_000,
    count: Number(count),
  }));
  const total = countAt(seen, taken.atMs) - countAt(seen, taken.atMs - taken.intervalMs);
  const measured = (readingOf(taken, "vm.switches.group", null) * taken.intervalMs) / 1_000;
  expect(total).toBeGreaterThan(5_000);
  expect(Math.abs(measured / total - 1)).toBeLessThan(0.01);
  const average = readingOf(taken, "vm.switches", null);
  expect(average * 4).toBeCloseTo(readingOf(taken, "vm.switches.group", null), 3);
});

test.each([
  { processes: 1, threads: 1 },
  { processes: 2, threads: 3 },
  { processes: 5, threads: 1 },
])("P-32..P-34: $processes processes with $threads runnable threads each", async ({ processes, threads }) => {
  const taken = await measure({ seconds: 2, under: `hold ${processes} ${threads}`, vcpu: 3 });
  expect(readingOf(taken, "vcpu.runnable-threads", 3)).toBeCloseTo(processes * threads, 0);
  expect(readingOf(taken, "vcpu.runnable-processes", 3)).toBeCloseTo(processes, 0);
  expect(readingOf(taken, "vcpu.runnable-applications", 3)).toBeCloseTo(1, 0);
  expect(readingOf(taken, "vcpu.runnable-threads", 1)).toBeLessThan(0.5);
});

test.each([
  { pattern: "ring 1 3", within: 1, why: "all within a process" },
  { pattern: "ring 3 1", within: 0, why: "all between processes" },
  { pattern: "ring 2 2", within: 0.5, why: "half and half" },
])("P-27, P-28: $why ($pattern)", async ({ pattern, within }) => {
  const taken = await measure({ seconds: 2, under: pattern, vcpu: 1 });
  const same = readingOf(taken, "vcpu.switches-same-process", 1);
  const other = readingOf(taken, "vcpu.switches-other-process", 1);
  expect(Math.abs(same / (same + other) - within)).toBeLessThan(0.08);
  expect((same + other) / readingOf(taken, "vcpu.switches", 1)).toBeGreaterThan(0.9);
});

test("P-30: cycles consumed by switches, against what a hop with and without a switch costs on the host", async () => {
  const alone = await hopOnHost("ring 1 1");
  const switching = await hopOnHost("ring 1 2");
  const expected = (switching.nsPerHop - alone.nsPerHop) / switching.nsPerHop;
  // The guest cannot see how long its vCPU really ran; what the host saw turns its share into a physical one.
  const share = readingOf(switching.taken, "vcpu.switch-share-same-process", 1) / 100 / switching.ran;
  console.log(`P-30: ${share.toFixed(3)} measured, ${expected.toFixed(3)} expected`);
  expect(share / expected).toBeGreaterThan(0.4);
  expect(share / expected).toBeLessThan(2.5);
});

test("P-35..P-54: nodes and the VM are made of their vCPUs, and the loaded node is the one that asks", async () => {
  const taken = await measure({ seconds: 2, under: "hold 1 4", vcpu: 3 });
  const vcpus = [0, 1, 2, 3].map((vcpu) => readingOf(taken, "vcpu.runnable-threads", vcpu));
  expect(readingOf(taken, "node.runnable-threads", 1)).toBeCloseTo((vcpus[2]! + vcpus[3]!) / 2, 6);
  expect(readingOf(taken, "node.runnable-threads.maximum", 1)).toBe(vcpus[3]);
  expect(readingOf(taken, "node.runnable-threads", 0)).toBeCloseTo((vcpus[0]! + vcpus[1]!) / 2, 6);
  const cycles = [0, 1, 2, 3].map((vcpu) => readingOf(taken, "vcpu.cycles", vcpu));
  expect(readingOf(taken, "node.cycles", 0) / (cycles[0]! + cycles[1]!)).toBeCloseTo(1, 6);
  expect(readingOf(taken, "vm.cycles", null) / cycles.reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
  expect(readingOf(taken, "node.composite", 1)).toBeGreaterThan(1);
  expect(readingOf(taken, "node.composite", 0)).toBeLessThan(1);
});

test("nothing stays attached to the kernel", async () => {
  const trigger = await guest.output(["cat", `${EVENT}/trigger`]);
  expect(trigger).not.toContain("vbal");
});

const EVENT = "/sys/kernel/tracing/events/sched/sched_switch";

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

function readingOf({ measures }: Taken, id: string, subject: number | null): number {
  const found = measures.find((each) => each.id === id && each.subject === subject);
  if (found === undefined || found.value === null)
    throw new Error(`No ${id} of ${subject}: ${found?.why ?? "it is not there"}`);
  return found.value;
}

function inShell(script: string): readonly string[] {
  return ["sh", "-c", script];
}

/** Starts a pattern on one vCPU, long enough for any test, and lets it get going; the shell's end ends it. */
function load(pattern: string, vcpu: number): string {
  return `taskset ${(1 << vcpu).toString(16)} /lab/pattern ${pattern} 20 > /tmp/pattern & pattern=$!; trap "kill $pattern" EXIT; sleep 0.7;`;
}

async function measure(of: {
  readonly seconds: number;
  readonly under?: string;
  readonly vcpu?: number;
}): Promise<Taken> {
  const before = of.under === undefined ? "" : load(of.under, of.vcpu ?? 0);
  return takenFrom(
    await guest.output(inShell(`${before} vbal-agent measures --json --seconds ${of.seconds}`)),
  );
}

/** The count at a moment between two that were seen. */
function countAt(seen: readonly { readonly atMs: number; readonly count: number }[], atMs: number): number {
  const after = seen.findIndex((each) => atMs <= each.atMs);
  const [a, b] = [seen[after - 1]!, seen[after]!];
  return a.count + ((b.count - a.count) * (atMs - a.atMs)) / (b.atMs - a.atMs);
}

/** What one hop of a ring on vCPU 1 takes of that vCPU's thread on the host, and the part of the time it ran. */
async function hopOnHost(pattern: string): Promise<{ nsPerHop: number; ran: number; taken: Taken }> {
  const { tid } = (await guest.vcpuThreads()).find(({ index }) => index === 1)!;
  const runNs = (): number =>
    Number(
      readFileSync(`/proc/${guest.pid}/task/${tid}/stat`, "latin1")
        .split(") ")[1]!
        .split(" ")
        .slice(11, 13)
        .reduce((sum, ticks) => sum + Number(ticks), 0),
    ) * 10_000_000;
  const [startNs, startMs] = [runNs(), performance.now()];
  const printed = await guest.output(
    inShell(
      `taskset 2 /lab/pattern ${pattern} 3 > /tmp/hops & taskset 1 vbal-agent measures --json --seconds 2 --config /none; wait; cat /tmp/hops`,
    ),
  );
  const ran = (runNs() - startNs) / ((performance.now() - startMs) * 1e6);
  const hops = z.object({ hops: z.number() }).parse(JSON.parse(printed.trim().split("\n").at(-1)!)).hops;
  const taken = takenFrom(printed.slice(0, printed.lastIndexOf("}", printed.lastIndexOf("{")) + 1));
  return { nsPerHop: (runNs() - startNs) / hops, ran, taken };
}
