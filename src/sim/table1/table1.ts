/**
 * The paper's Table 1 from measurement (B-31): every cell is the mean of independent replications of one metric, with its
 * 95 % interval, against a threshold that was set before the first result. The verdict is `value > threshold`; where the
 * interval contains the threshold, the measurement does not decide. Where the verdict is not the paper's, docs/simulator.md
 * says why. Byte-identical for any number of workers: a trial is a function of its numbers, and has its place.
 */
import { Worker } from "node:worker_threads";
import { type Estimate, tInterval } from "./t_interval.ts";
import { TABLE1_COLUMNS, type Table1Column } from "./table1_columns.ts";
import { TABLE1_ISSUES } from "./table1_issues.ts";
import { measure } from "./table1_runs.ts";

export interface Table1 {
  readonly replications: number;
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
  /** The interval does not contain the threshold. */
  readonly decided: boolean;
  /** As the paper says; null for a scheduler that is not in its table. */
  readonly paper: boolean | null;
  readonly metric: string;
  /** The mean over replications, and its 95 % interval. */
  readonly value: number;
  readonly ci95: Estimate["ci95"];
  readonly threshold: number;
  readonly values: readonly number[];
}

export const TABLE1_REPLICATIONS = 10;

export interface Table1Options {
  readonly replications?: number;
  readonly onProgress?: (done: number, of: number) => void;
}

/** What a worker is asked for; columns by name, since functions do not travel. */
export interface TrialNumbers {
  readonly issue: number;
  readonly scheduler: string;
  readonly replication: number;
}

export function runTrial({ issue, scheduler, replication }: TrialNumbers): number {
  const column = TABLE1_COLUMNS.find((each) => each.scheduler === scheduler)!;
  return TABLE1_ISSUES[issue]!.valueFor({
    column,
    measure: (domains, on = column) => measure(on, domains, replication),
  });
}

/** On the calling thread. */
export function table1(
  columns: readonly Table1Column[] = TABLE1_COLUMNS,
  { replications = TABLE1_REPLICATIONS, onProgress = () => {} }: Table1Options = {},
): Table1 {
  const trials = trialsOf(columns, replications);
  const values = trials.map((trial, i) => {
    const value = runTrial(trial);
    onProgress(i + 1, trials.length);
    return value;
  });
  return assemble(columns, replications, values);
}

export interface Table1WorkerOptions extends Table1Options {
  readonly workers: number;
  /** The compiled table1_worker.ts. */
  readonly workerFile: URL;
}

export async function table1OnWorkers(
  columns: readonly Table1Column[],
  { workers, workerFile, replications = TABLE1_REPLICATIONS, onProgress = () => {} }: Table1WorkerOptions,
): Promise<Table1> {
  const trials = trialsOf(columns, replications);
  const values: number[] = [];
  let next = 0;
  let done = 0;
  const runOn = (worker: Worker): Promise<void> =>
    new Promise((resolve, reject) => {
      let at = 0;
      const giveNext = (): void => {
        at = next++;
        if (trials.length <= at) resolve();
        else worker.postMessage(trials[at]);
      };
      worker.on("error", reject);
      worker.on("exit", (code) => reject(new Error(`A worker ended early with code ${code}`)));
      worker.on("message", (value: number) => {
        values[at] = value;
        onProgress(++done, trials.length);
        giveNext();
      });
      giveNext();
    });
  const threads = Array.from({ length: workers }, () => new Worker(workerFile));
  try {
    await Promise.all(threads.map(runOn));
  } finally {
    await Promise.all(threads.map((thread) => thread.terminate()));
  }
  return assemble(columns, replications, values);
}

function trialsOf(columns: readonly Table1Column[], replications: number): TrialNumbers[] {
  return TABLE1_ISSUES.flatMap((_, issue) =>
    columns.flatMap(({ scheduler }) =>
      Array.from({ length: replications }, (__, replication) => ({ issue, scheduler, replication })),
    ),
  );
}

function assemble(columns: readonly Table1Column[], replications: number, values: readonly number[]): Table1 {
  const rows = TABLE1_ISSUES.map(({ issue, metric, threshold, paper }, i) => ({
    issue,
    cells: columns.map(({ scheduler, inPaper }, c): Table1Cell => {
      const first = (i * columns.length + c) * replications;
      const own = values.slice(first, first + replications);
      const { mean, ci95 } = tInterval(own);
      return {
        scheduler,
        measured: threshold < mean,
        decided: threshold < ci95[0] || ci95[1] < threshold,
        paper: inPaper ? paper.includes(scheduler) : null,
        metric,
        value: mean,
        ci95,
        threshold,
        values: own,
      };
    }),
  }));
  return { replications, rows };
}
