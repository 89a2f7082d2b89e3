/**
 * VCPU-Bal over simulated time: the shipped controller brings two domains to pCPUs of their own, above any host policy,
 * and follows those who come and go. Beside it stands the static form that the paper measured (B-41): booted with the
 * right number of vCPUs, pinned, at no cost.
 */
import { describe, expect, test } from "vitest";
import type { DomainConfig, HostConfig } from "../config.ts";
import type { Control, Controller } from "../host/control.ts";
import type { RunResult } from "../metrics/result.ts";
import { runSimulation } from "../run.ts";
import type { Step, Workload } from "../workload/program.ts";
import { type VcpuBalConfig, vcpuBal } from "./vcpu_bal.ts";

const MS = 1_000_000;
const SECOND = 1_000 * MS;

const forever = (...body: Step[]): Step[] => [
  { do: "sleep", time: { low: 0, high: 30 * MS } },
  { do: "repeat", body },
];

const computing = (tasks: number): Workload => ({
  tasks: [{ count: tasks, program: forever({ do: "compute", time: { mean: MS, cv: 1 } }, { do: "mark" }) }],
});

/** Every task computes, takes a ticket lock for a moment, and now and then flushes its siblings' TLBs. */
const synchronising = (tasks: number): Workload => ({
  locks: { l: { kind: "ticket" } },
  tasks: [
    {
      count: tasks,
      program: forever(
        { do: "compute", time: { mean: 100_000, cv: 1 } },
        { do: "lock", lock: "l" },
        { do: "compute", time: { mean: 3_000, cv: 1 }, mode: "kernel" },
        { do: "unlock", lock: "l" },
        { do: "chance", probability: 0.05, body: [{ do: "shootdown" }] },
        { do: "mark" },
      ),
    },
  ],
});

interface World {
  readonly pcpus?: number;
  readonly scheduler?: HostConfig["scheduler"];
  readonly vcpuBal?: Omit<VcpuBalConfig, "kind"> | null;
  readonly domains: readonly DomainConfig[];
  readonly until?: number;
  /** Invariants after every event, default true. */
  readonly checks?: boolean;
}

/** A run, and what each domain has in the end: how many vCPUs, and on which pCPUs the online ones may run. */
function run(world: World): {
  result: RunResult;
  online: (d: number) => number;
  pcpus: (d: number) => number[][];
} {
  let seen: Control | null = null;
  const config = world.vcpuBal === undefined ? {} : world.vcpuBal;
  const shipped = config === null ? null : vcpuBal({ kind: "vcpu-bal", ...config });
  const controller: Controller = {
    start(control) {
      seen = control;
      shipped?.start(control);
    },
    onTimer: (control, timer) => shipped?.onTimer(control, timer),
    onBallooned: (control, d, index) => shipped?.onBallooned?.(control, d, index),
  };
  const result = runSimulation(
    {
      seed: 3,
      replication: 0,
      checks: world.checks ?? true,
      until: { at: world.until ?? SECOND },
      machine: { topology: { pcpus: world.pcpus ?? 12 } },
      host: { scheduler: world.scheduler ?? { kind: "credit" }, pauseLoopExits: true },
      domains: world.domains,
    },
    { controller },
  );
  const used = (d: number) =>
    Array.from({ length: seen!.vcpusOf(d) }, (_, index) => index).filter((index) => seen!.isOnline(d, index));
  return {
    result,
    online: (d) => used(d).length,
    pcpus: (d) => used(d).map((index) => [...seen!.pinsOf(d, index)]),
  };
}

const domain = (name: string, vcpus: number, more: Partial<DomainConfig> = {}): DomainConfig => ({
  name,
  vcpus,
  workload: computing(vcpus),
  ...more,
});
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);

const SCHEDULERS: readonly HostConfig["scheduler"][] = [
  { kind: "credit" },
  { kind: "credit2" },
  { kind: "cfs" },
  { kind: "eevdf" },
  { kind: "cfs", balance: "siblings-apart" },
  { kind: "strict-co" },
  { kind: "relaxed-co" },
  { kind: "demand-based" },
  { kind: "round-robin" },
];

describe("B-5 to B-7: two domains of 12 vCPUs on 12 pCPUs come to 6 and 6, pinned apart", () => {
  test.each(SCHEDULERS)("above %o (B-22, B-23)", (scheduler) => {
    const { online, pcpus } = run({ scheduler, domains: [domain("a", 12), domain("b", 12)] });
    expect([online(0), online(1)]).toEqual([6, 6]);
    const all = [...pcpus(0), ...pcpus(1)];
    expect(all.every((pins) => pins.length === 1)).toBe(true);
    expect(all.flat().toSorted((x, y) => x - y)).toEqual(range(0, 12));
  });
});

test("weights 512 and 256: 8 and 4 vCPUs (B-5)", () => {
  const { online } = run({ domains: [domain("a", 12, { weight: 512 }), domain("b", 12, { weight: 256 })] });
  expect([online(0), online(1)]).toEqual([8, 4]);
});

test("B-9: a domain that comes later gets its share, and what a finished one had goes to the others", () => {
  const once: Workload = { tasks: [{ count: 12, program: [{ do: "compute", time: SECOND }] }] };
  const domains = [domain("a", 12), domain("b", 12, { startAt: 3 * SECOND, workload: once })];
  const at = (until: number) => run({ domains, until }).online(0);
  expect([at(2 * SECOND), at(4.5 * SECOND), at(12 * SECOND)]).toEqual([12, 6, 12]);
});

test("the pCPU time follows the weights, whatever the numbers of vCPUs (X-6 taken away)", () => {
  const { result } = run({ until: 10 * SECOND, domains: [domain("a", 12), domain("b", 4, { weight: 512 })] });
  const [a, b] = result.domains.map(({ vcpus }) => vcpus.reduce((sum, { running }) => sum + running, 0));
  // Due 4 and 8; b has only four vCPUs, so a is due what b cannot use.
  expect(a! / b!).toBeGreaterThan(1.9);
  expect(a! / b!).toBeLessThan(2.1);
});

test("runs are functions of their configs with a controller too", () => {
  const world: World = { domains: [domain("a", 12), domain("b", 12)] };
  expect(run(world).result.digest).toBe(run(world).result.digest);
});

describe("what it is worth, in direction", () => {
  const pair = (
    workload: (tasks: number) => Workload,
    more: (d: number) => Partial<DomainConfig> = () => ({}),
  ) => ["a", "b"].map((name, d) => domain(name, 12, { workload: workload(12), ...more(d) }));
  const marks = (world: World): number =>
    run({ until: 2 * SECOND, checks: false, ...world }).result.domains.reduce(
      (sum, each) => sum + each.marks,
      0,
    );
  /** B-41: six vCPUs each from the start, each on a pCPU of its own; the same twelve tasks. */
  const fixed = pair(synchronising, (d) => ({
    vcpus: 6,
    pins: range(6 * d, 6 * d + 6).map((pcpu) => [pcpu]),
  }));

  test("invariants hold while domains that synchronise are taken apart", () => {
    expect(marks({ until: 0.3 * SECOND, checks: true, domains: pair(synchronising) })).toBeGreaterThan(0);
  });

  test.each([{ kind: "credit" }, { kind: "cfs" }] as const)(
    "domains that synchronise get more done than under $kind alone (B-1)",
    (scheduler) => {
      const alone = marks({ scheduler, vcpuBal: null, domains: pair(synchronising) });
      expect(marks({ scheduler, domains: pair(synchronising) })).toBeGreaterThan(1.2 * alone);
    },
  );

  test("the way there costs something: it is not better than the static form (B-41), and stock hotplug is the worst", () => {
    const oracle = marks({ vcpuBal: null, domains: fixed });
    const light = marks({ domains: pair(synchronising) });
    const stock = marks({ vcpuBal: { hotplug: "stock" }, domains: pair(synchronising) });
    expect(light).toBeLessThanOrEqual(oracle);
    expect(stock).toBeLessThan(light);
    // After the first moments they are the same.
    expect(light).toBeGreaterThan(0.95 * oracle);
  });
});
