/**
 * Runs the replications of a scenario on several threads. Each run is a pure function of (scenario, replication) and
 * rows are put in the order of their replications, so the result does not depend on who ran what when.
 */
import { Worker } from "node:worker_threads";
import type { RunRow } from "../output/run_row.ts";
import { runScenario } from "./run_scenario.ts";
import type { Scenario } from "./scenario.ts";

export interface ReplicationOptions {
  /** 1 runs on the calling thread. More than there are runs is as many as there are runs. */
  readonly workers: number;
  /** The compiled replication_worker.ts. */
  readonly workerFile: URL;
  readonly commit: string | null;
  readonly onProgress?: (done: number, of: number) => void;
}

/** What a worker is started with; it is then told one replication's number after the other. */
export interface WorkerStart {
  readonly scenario: Scenario;
  readonly commit: string | null;
}

export async function runReplications(scenario: Scenario, options: ReplicationOptions): Promise<RunRow[]> {
  const { replications } = scenario;
  const workers = Math.min(options.workers, replications);
  if (workers > 1) return await onWorkers(scenario, workers, options);
  return Array.from({ length: replications }, (_, replication) => {
    const row = runScenario(scenario, replication, options.commit);
    options.onProgress?.(replication + 1, replications);
    return row;
  });
}

async function onWorkers(scenario: Scenario, count: number, options: ReplicationOptions): Promise<RunRow[]> {
  const rows: RunRow[] = [];
  let next = 0;
  let done = 0;
  const start: WorkerStart = { scenario, commit: options.commit };
  const runOn = (worker: Worker): Promise<void> =>
    new Promise((resolve, reject) => {
      const giveNext = (): void => {
        if (next === scenario.replications) resolve();
        else worker.postMessage(next++);
      };
      worker.on("error", reject);
      worker.on("exit", (code) => reject(new Error(`A worker ended early with code ${code}`)));
      worker.on("message", (row: RunRow) => {
        rows[row.replication] = row;
        options.onProgress?.(++done, scenario.replications);
        giveNext();
      });
      giveNext();
    });
  const workers = Array.from({ length: count }, () => new Worker(options.workerFile, { workerData: start }));
  try {
    await Promise.all(workers.map(runOn));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return rows;
}
