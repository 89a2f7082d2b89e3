/**
 * The worlds, metrics and thresholds of Table 1 (B-31): for each issue a world that provokes it. The thresholds were set
 * before the first result was seen, and are the same for all schedulers. A metric is a function of (column, replication).
 */
import type { DomainConfig } from "../config.ts";
import type { Step, Workload } from "../workload/program.ts";
import { TABLE1_COLUMNS, type Table1Column } from "./table1_columns.ts";
import { type Measured, TABLE1_PCPUS } from "./table1_runs.ts";

export interface Table1Issue {
  readonly issue: string;
  readonly metric: string;
  readonly threshold: number;
  /** Which of the paper's six have it. */
  readonly paper: readonly string[];
  readonly valueFor: (trial: Trial) => number;
}

/** One replication of one column. */
export interface Trial {
  readonly column: Table1Column;
  /** Runs these domains under the column's scheduler, or another's. */
  readonly measure: (domains: readonly DomainConfig[], column?: Table1Column) => Measured;
}

const MS = 1_000_000;
const N = TABLE1_PCPUS;

/** Tasks begin at moments of their own, so that no policy looks good by accident. */
const forever = (...body: Step[]): Step[] => [
  { do: "sleep", time: { low: 0, high: 30 * MS } },
  { do: "repeat", body },
];
const compute = (mean: number, mode: "user" | "kernel" = "user"): Step => ({
  do: "compute",
  time: { mean, cv: 1 },
  mode,
});
const MARK: Step = { do: "mark" };

const computing = (count: number): Workload => ({
  tasks: [{ count, program: forever(compute(100_000), MARK) }],
});
/** Coordination by interrupts, as most of a kernel's (B-33). */
const flushing = (count: number): Workload => ({
  tasks: [{ count, program: forever(compute(200_000), { do: "shootdown" }, MARK) }],
});
/** Coordination that no interrupt tells of. */
const locking = (count: number): Workload => ({
  locks: { l: { kind: "ticket" } },
  tasks: [
    {
      count,
      program: forever(
        compute(50_000),
        { do: "lock", lock: "l" },
        compute(5_000, "kernel"),
        { do: "unlock", lock: "l" },
        MARK,
      ),
    },
  ],
});
const meeting = (count: number): Workload => ({
  barriers: { b: { parties: count, spin: 100_000 } },
  tasks: [{ count, program: forever(compute(500_000), { do: "barrier", barrier: "b" }, MARK) }],
});

const domain = (name: string, workload: Workload, more: Partial<DomainConfig> = {}): DomainConfig => ({
  name,
  vcpus: workload.tasks.reduce((sum, { count }) => sum + count, 0),
  workload,
  ...more,
});
/** Computes and waits at random. One that never waits would let the pCPUs of a symmetric host fall into step. */
const restless: Workload = {
  tasks: [
    {
      count: N,
      program: forever(compute(5 * MS), { do: "sleep", time: { mean: 2 * MS, cv: 1 } }, MARK),
    },
  ],
};
const besideRestless = (workload: Workload): DomainConfig[] => [domain("a", workload), domain("b", restless)];

export const TABLE1_ISSUES: readonly Table1Issue[] = [
  {
    issue: "vCPU preemption",
    metric: "part of the pCPU time spent waiting for a preempted vCPU's answer to an interrupt",
    threshold: 0.05,
    paper: ["credit", "cfs", "balance"],
    valueFor: ({ measure }) => partOfRunning(measure(besideRestless(flushing(N))), ["spin-ipi-preempted"]),
  },
  {
    issue: "vCPU stacking",
    metric: "part of the time of vCPUs that want to run in which they wait behind a sibling",
    threshold: 0.05,
    paper: ["credit", "cfs"],
    valueFor: ({ measure }) => {
      const { wanting, stacked } = measure([domain("a", meeting(N)), domain("b", meeting(N))]);
      return stacked / wanting;
    },
  },
  {
    issue: "CPU fragmentation",
    metric: "part of the pCPUs' time that idles while a vCPU waits",
    threshold: 0.05,
    paper: ["co-schedule"],
    valueFor: ({ measure }) =>
      measure([domain("a", computing(N)), domain("b", computing(N - 1))]).idleWhileWaiting,
  },
  {
    issue: "priority inversion",
    metric: "wait in ms of a vCPU with four times the weight that needs a pCPU for 0.5 ms in 10 ms",
    threshold: 1,
    paper: ["co-schedule", "demand-based"],
    valueFor({ measure }) {
      const urgent: Workload = {
        tasks: [
          {
            count: 1,
            program: forever(compute(500_000), MARK, { do: "sleep", time: { mean: 10 * MS, cv: 0.5 } }),
          },
        ],
      };
      const { waited, marks } = measure([
        domain("a", urgent, { weight: 1024 }),
        domain("b", flushing(N)),
        domain("c", computing(N)),
      ]);
      return waited / MS / Math.max(1, marks);
    },
  },
  {
    issue: "sync. impl. sensitive",
    metric: "difference between the parts of the loss that it wins back with interrupts and with spinlocks",
    threshold: 0.25,
    paper: ["demand-based"],
    valueFor: (trial) => Math.abs(wonBack(trial, flushing(N)) - wonBack(trial, locking(N))),
  },
  {
    issue: "spinlock",
    metric: "part of the pCPU time spent spinning for a lock whose holder, or next in line, is preempted",
    threshold: 0.05,
    paper: ["credit", "cfs", "balance", "demand-based"],
    valueFor: ({ measure }) =>
      partOfRunning(measure(besideRestless(locking(N))), ["spin-holder-preempted", "spin-waiter-preempted"]),
  },
];

const ON_PCPU = [
  "user",
  "kernel",
  "spin",
  "spin-holder-preempted",
  "spin-waiter-preempted",
  "spin-barrier",
  "spin-ipi",
  "spin-ipi-preempted",
] as const;

function partOfRunning({ causes }: Measured, of: readonly (typeof ON_PCPU)[number][]): number {
  const sum = (names: readonly (typeof ON_PCPU)[number][]): number =>
    names.reduce((total, cause) => total + causes[cause], 0);
  return sum(of) / sum(ON_PCPU);
}

/** Work done beside a competitor, as a part of half the work done alone. */
function efficiency({ measure }: Trial, workload: Workload, column: Table1Column): number {
  const alone = measure([domain("a", workload)], column).marks;
  return measure(besideRestless(workload), column).marks / (0.5 * alone);
}

/** Of what the plain scheduler loses, the part that this one does not, between -1 and 1; 0 for a plain one. */
function wonBack(trial: Trial, workload: Workload): number {
  const { column } = trial;
  if (column.base === column.scheduler) return 0;
  const base = TABLE1_COLUMNS.find(({ scheduler }) => scheduler === column.base)!;
  const plain = efficiency(trial, workload, base);
  const lost = Math.max(1 - plain, LOSS_MIN);
  return Math.max(-1, Math.min(1, (efficiency(trial, workload, column) - plain) / lost));
}

/** A loss below this is none. */
const LOSS_MIN = 0.05;
