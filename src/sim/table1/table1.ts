/**
 * The paper's Table 1 from measurement (B-31): for each issue a world that provokes it, a metric and a threshold. The
 * thresholds were set before the first result was seen, and are the same for all schedulers; a verdict is `value >
 * threshold`. Where the verdict is not the paper's, docs/simulator.md says why.
 */
import type { DomainConfig } from "../config.ts";
import type { Step, Workload } from "../workload/program.ts";
import { TABLE1_COLUMNS, type Table1Column } from "./table1_columns.ts";
import { type Measured, measure, TABLE1_PCPUS } from "./table1_runs.ts";

export interface Table1 {
  readonly rows: readonly Table1Row[];
}

export interface Table1Row {
  readonly issue: string;
  readonly cells: readonly Table1Cell[];
}

export interface Table1Cell {
  readonly scheduler: string;
  /** The scheduler has the issue. */
  readonly measured: boolean;
  /** As the paper says; null for a scheduler that is not in its table. */
  readonly paper: boolean | null;
  readonly metric: string;
  readonly value: number;
  readonly threshold: number;
}

interface Issue {
  readonly issue: string;
  readonly metric: string;
  readonly threshold: number;
  /** Which of the paper's six have it. */
  readonly paper: readonly string[];
  readonly valueFor: (column: Table1Column) => number;
}

export function table1(
  columns: readonly Table1Column[] = TABLE1_COLUMNS,
  onProgress: (done: number, of: number) => void = () => {},
): Table1 {
  const cells = ISSUES.length * columns.length;
  let done = 0;
  const rows = ISSUES.map(({ issue, metric, threshold, paper, valueFor: measureValue }) => ({
    issue,
    cells: columns.map((column): Table1Cell => {
      const { scheduler, inPaper } = column;
      const value = measureValue(column);
      onProgress(++done, cells);
      return {
        scheduler,
        measured: threshold < value,
        paper: inPaper ? paper.includes(scheduler) : null,
        metric,
        value,
        threshold,
      };
    }),
  }));
  return { rows };
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

const ISSUES: readonly Issue[] = [
  {
    issue: "vCPU preemption",
    metric: "part of the pCPU time spent waiting for a preempted vCPU's answer to an interrupt",
    threshold: 0.05,
    paper: ["credit", "cfs", "balance"],
    valueFor: (column) => partOfRunning(measure(column, besideRestless(flushing(N))), ["spin-ipi-preempted"]),
  },
  {
    issue: "vCPU stacking",
    metric: "part of the time of vCPUs that want to run in which they wait behind a sibling",
    threshold: 0.05,
    paper: ["credit", "cfs"],
    valueFor: (column) => {
      const { wanting, stacked } = measure(column, [domain("a", meeting(N)), domain("b", meeting(N))]);
      return stacked / wanting;
    },
  },
  {
    issue: "CPU fragmentation",
    metric: "part of the pCPUs' time that idles while a vCPU waits",
    threshold: 0.05,
    paper: ["co-schedule"],
    valueFor: (column) =>
      measure(column, [domain("a", computing(N)), domain("b", computing(N - 1))]).idleWhileWaiting,
  },
  {
    issue: "priority inversion",
    metric: "wait in ms of a vCPU with four times the weight that needs a pCPU for 0.5 ms in 10 ms",
    threshold: 1,
    paper: ["co-schedule", "demand-based"],
    valueFor(column) {
      const urgent: Workload = {
        tasks: [
          {
            count: 1,
            program: forever(compute(500_000), MARK, { do: "sleep", time: { mean: 10 * MS, cv: 0.5 } }),
          },
        ],
      };
      const { waited, marks } = measure(column, [
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
    valueFor: (column) => Math.abs(wonBack(column, flushing(N)) - wonBack(column, locking(N))),
  },
  {
    issue: "spinlock",
    metric: "part of the pCPU time spent spinning for a lock whose holder, or next in line, is preempted",
    threshold: 0.05,
    paper: ["credit", "cfs", "balance", "demand-based"],
    valueFor: (column) =>
      partOfRunning(measure(column, besideRestless(locking(N))), [
        "spin-holder-preempted",
        "spin-waiter-preempted",
      ]),
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
function efficiency(column: Table1Column, workload: Workload): number {
  const alone = measure(column, [domain("a", workload)]).marks;
  return measure(column, besideRestless(workload)).marks / (0.5 * alone);
}

/** Of what the plain scheduler loses, the part that this one does not, between -1 and 1; 0 for a plain one. */
function wonBack(column: Table1Column, workload: Workload): number {
  if (column.base === column.scheduler) return 0;
  const base = TABLE1_COLUMNS.find(({ scheduler }) => scheduler === column.base)!;
  const plain = efficiency(base, workload);
  const lost = Math.max(1 - plain, LOSS_MIN);
  return Math.max(-1, Math.min(1, (efficiency(column, workload) - plain) / lost));
}

/** A loss below this is none. */
const LOSS_MIN = 0.05;
