/**
 * Ablations: what must kill an effect if the model has it for the right reason. Each pair shows the effect and then
 * the same world without its cause.
 */
import { describe, expect, test } from "vitest";
import type { DomainConfig, HostConfig, SimulationConfig } from "./config.ts";
import type { RunResult } from "./metrics/result.ts";
import { runSimulation } from "./run.ts";
import { tInterval } from "./table1/t_interval.ts";
import type { LockKind, Step, Workload } from "./workload/program.ts";

const MS = 1_000_000;
const REPLICATIONS = 3;
const RUN = 400 * MS;

interface World {
  readonly scheduler?: HostConfig["scheduler"];
  readonly host?: Partial<HostConfig>;
  readonly pcpus?: number;
  readonly domains: readonly DomainConfig[];
  readonly costs?: SimulationConfig["machine"]["costs"];
  readonly tieSalt?: number;
}

function runs(world: World, replications = REPLICATIONS): RunResult[] {
  return Array.from({ length: replications }, (_, replication) =>
    runSimulation({
      seed: 7,
      replication,
      ...(world.tieSalt === undefined ? {} : { tieSalt: world.tieSalt }),
      until: { at: RUN },
      machine: {
        topology: { pcpus: world.pcpus ?? 4 },
        ...(world.costs === undefined ? {} : { costs: world.costs }),
      },
      host: { scheduler: world.scheduler ?? { kind: "credit" }, ...world.host },
      domains: world.domains,
    }),
  );
}

/** Summed over replications. */
const marks = (world: World): number => sum(runs(world).map((run) => run.domains[0]!.marks));
const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

const forever = (...body: Step[]): Step[] => [
  // Tasks start at moments of their own, so that no policy looks good by accident.
  { do: "sleep", time: { low: 0, high: 30 * MS } },
  { do: "repeat", body },
];
const compute = (mean: number, mode: "user" | "kernel" = "user"): Step => ({
  do: "compute",
  time: { mean, cv: 1 },
  mode,
});
const MARK: Step = { do: "mark" };

function locking(n: number, kind: LockKind, section: number): Workload {
  return {
    locks: { l: { kind } },
    tasks: [
      {
        count: n,
        program: forever(
          compute(50_000),
          { do: "lock", lock: "l" },
          compute(section, "kernel"),
          { do: "unlock", lock: "l" },
          MARK,
        ),
      },
    ],
  };
}

const computing = (n: number): Workload => ({
  tasks: [{ count: n, program: forever(compute(50_000), MARK) }],
});
const pair = (n: number, workload: Workload): DomainConfig[] => [
  { name: "a", vcpus: n, workload },
  { name: "b", vcpus: n, workload: computing(n) },
];

/** Work done beside a competitor, as a part of half the work done alone: 1 is what a fair host owes. */
const efficiency = (n: number, workload: Workload, world: Omit<World, "domains"> = {}): number =>
  marks({ ...world, domains: pair(n, workload) }) /
  (0.5 * marks({ ...world, domains: [{ name: "a", vcpus: n, workload }] }));

/** The same, of each replication, for statements with an interval. */
function efficiencies(n: number, workload: Workload, world: Omit<World, "domains"> = {}): number[] {
  const marksOf = (domains: readonly DomainConfig[]): number[] =>
    runs({ ...world, domains }, 10).map((run) => run.domains[0]!.marks);
  const alone = marksOf([{ name: "a", vcpus: n, workload }]);
  return marksOf(pair(n, workload)).map((beside, r) => beside / (0.5 * alone[r]!));
}

describe("lock-holder and lock-waiter preemption", () => {
  // The bound is a published one: naive spinning on an overcommitted host takes more than twice as long (P. Wells et al., PACT'06).
  test("a ticket lock more than doubles the time that its share would take beside a competitor (B-27)", () => {
    const { ci95 } = tInterval(efficiencies(8, locking(8, "ticket", 10_000), { pcpus: 8 }));
    expect(ci95[1]).toBeLessThan(0.5);
  });

  test.each([
    { ablation: "no lock at all", workload: computing(4) },
    { ablation: "a blocking lock", workload: locking(4, "mutex", 10_000) },
  ])("$ablation: the loss is gone", ({ workload }) => {
    expect(efficiency(4, workload)).toBeGreaterThan(0.85);
  });

  test("no overcommit (two domains of 2 on 4 pCPUs): the loss is gone", () => {
    const workload = locking(2, "ticket", 5_000);
    const alone = marks({ domains: [{ name: "a", vcpus: 2, workload }] });
    expect(marks({ domains: pair(2, workload) }) / alone).toBeGreaterThan(0.97);
  });

  test("test-and-set loses less than ticket, in pairs of equal draws: only the holder matters, not the next in line", () => {
    const fair = efficiencies(4, locking(4, "ticket", 10_000));
    const unfair = efficiencies(4, locking(4, "test-and-set", 10_000));
    expect(tInterval(unfair.map((value, r) => value - fair[r]!)).ci95[0]).toBeGreaterThan(0);
  });

  test("paravirtual spinlocks win most of it back", () => {
    expect(efficiency(4, locking(4, "paravirtual", 10_000))).toBeGreaterThan(0.8);
  });

  test("paravirtual ticket locks pass the lock in order all the same, so they win back less than the unfair ones (OTICKET)", () => {
    const [ticket, fair, unfair] = (["ticket", "paravirtual-ticket", "paravirtual"] as const).map((kind) =>
      efficiency(4, locking(4, kind, 10_000)),
    ) as [number, number, number];
    expect(fair).toBeGreaterThan(ticket);
    expect(fair).toBeLessThan(unfair);
  });

  test("slices far shorter than a section: hardly anybody waits for a preempted holder long, but switching costs more", () => {
    const spinning = (slice: number): { stalled: number; switching: number } => {
      const all = runs({
        scheduler: { kind: "round-robin", slice },
        domains: pair(4, locking(4, "ticket", 200_000)),
      });
      const causes = all.map((run) => run.domains[0]!.causes);
      const stalled = causes.map((each) => each["spin-holder-preempted"] + each["spin-waiter-preempted"]);
      return {
        stalled:
          sum(stalled) / sum(all.map((run) => run.counts.holderPreemptions + run.counts.waiterPreemptions)),
        switching: sum(all.flatMap((run) => run.pcpus.map((pcpu) => pcpu.switching))),
      };
    };
    const [long, short] = [spinning(30 * MS), spinning(0.1 * MS)];
    expect(short.stalled).toBeLessThan(0.05 * long.stalled);
    expect(short.switching).toBeGreaterThan(10 * long.switching);
  });

  test("gangs never lose a holder's siblings: strict co-scheduling keeps the throughput", () => {
    expect(efficiency(4, locking(4, "ticket", 5_000), { scheduler: { kind: "strict-co" } })).toBeGreaterThan(
      0.9,
    );
  });

  test.each(["hinted", "observed"] as const)(
    "Uhlig's avoidance, %s: hardly a holder is preempted (U-4, U-6)",
    (lockHolderAvoidance) => {
      // Short slices, so that there are many preemptions to avoid.
      const scheduler = { kind: "round-robin", slice: 2 * MS } as const;
      const world = { scheduler, domains: pair(4, locking(4, "ticket", 20_000)) };
      const without = sum(runs(world).map((run) => run.counts.holderPreemptions));
      const avoided = runs({ ...world, host: { lockHolderAvoidance } });
      expect(without).toBeGreaterThan(20);
      expect(sum(avoided.map((run) => run.counts.holderPreemptions))).toBeLessThan(0.3 * without);
      expect(sum(avoided.map((run) => run.counts.preemptionsDelayed))).toBeGreaterThan(0);
    },
  );
});

describe("kernel time", () => {
  const shooting = (n: number): Workload => ({
    tasks: [{ count: n, program: forever(compute(500_000), { do: "shootdown" }, MARK) }],
  });
  /** Time per piece of work that the guest's kernel spends, spinning included. */
  const kernelPerMark = (world: World): number => {
    const all = runs(world).map((run) => run.domains[0]!);
    const kernel = all.map(({ causes }) => causes.kernel + causes["spin-ipi"] + causes["spin-ipi-preempted"]);
    return sum(kernel) / sum(all.map((domain) => domain.marks));
  };

  test("a preempted target of a shootdown inflates the sender's kernel time by orders of magnitude (B-33)", () => {
    const alone = kernelPerMark({ domains: [{ name: "a", vcpus: 4, workload: shooting(4) }] });
    expect(kernelPerMark({ domains: pair(4, shooting(4)) })).toBeGreaterThan(20 * alone);
  });

  test("gangs: a target is never preempted while the sender runs, and the inflation is gone", () => {
    const scheduler = { kind: "strict-co" } as const;
    const alone = kernelPerMark({ scheduler, domains: [{ name: "a", vcpus: 4, workload: shooting(4) }] });
    expect(kernelPerMark({ scheduler, domains: pair(4, shooting(4)) })).toBeLessThan(1.5 * alone);
  });
});

describe("cache warmth", () => {
  /** Two domains of one vCPU that never wait on one pCPU: they change places at every slice. */
  const changing = (costs: SimulationConfig["machine"]["costs"]): number =>
    marks({
      scheduler: { kind: "round-robin", slice: MS },
      pcpus: 1,
      costs: { vcpuSwitch: 0, ...costs },
      domains: ["a", "b"].map((name) => ({ name, vcpus: 1, workload: computing(1) })),
    });

  test("whoever comes back to a pCPU that another used pays for its caches; at no cost it pays nothing", () => {
    const free = changing({ cacheRefillSamePcpu: 0 });
    // A tenth of every slice.
    const paid = changing({ cacheRefillSamePcpu: 0.1 * MS });
    expect(paid / free).toBeGreaterThan(0.87);
    expect(paid / free).toBeLessThan(0.93);
  });

  test("who was away for half of what it takes to lose everything fills half of it again", () => {
    const [free, paid] = [0, 0.2].map((cost) =>
      changing({ cacheRefillSamePcpu: cost * MS, cacheEviction: 2 * MS }),
    );
    expect(paid! / free!).toBeGreaterThan(0.87);
    expect(paid! / free!).toBeLessThan(0.93);
  });
});

describe("fragmentation", () => {
  const spinners = (n: number): Workload => ({
    barriers: { b: { parties: n } },
    tasks: [{ count: n, program: forever(compute(2 * MS), { do: "barrier", barrier: "b" }, MARK) }],
  });

  test("strict gangs of 3 on 4 pCPUs leave one idle though work waits; work-conserving policies do not (B-29)", () => {
    const domains = [
      { name: "a", vcpus: 3, workload: spinners(3) },
      { name: "b", vcpus: 3, workload: spinners(3) },
    ];
    const idle = (scheduler: HostConfig["scheduler"]) =>
      sum(runs({ scheduler, domains }).map((run) => run.counts.idleWhileWaiting));
    expect(idle({ kind: "strict-co" }) / (REPLICATIONS * RUN)).toBeGreaterThan(0.8);
    expect(idle({ kind: "cfs" })).toBe(0);
    expect(idle({ kind: "round-robin" })).toBe(0);
  });
});

/** The 99.9 % quantile of F with 3 and 16 degrees of freedom, from any table of it. */
const F_3_16 = 9.01;

test("results do not hang on the order of equal times: one-way analysis of variance, four salts, five replications each", () => {
  const world = { domains: pair(4, locking(4, "ticket", 10_000)) };
  const samples = [0, 1, 2, 3].map((tieSalt) =>
    runs({ ...world, tieSalt }, 5).map((run) => run.domains[0]!.marks),
  );
  const means = samples.map((sample) => sum(sample) / sample.length);
  const mean = sum(means) / means.length;
  const between = sum(means.map((each) => 5 * (each - mean) ** 2)) / 3;
  const within = sum(samples.flatMap((sample, i) => sample.map((value) => (value - means[i]!) ** 2))) / 16;
  expect(between / within).toBeLessThan(F_3_16);
});
