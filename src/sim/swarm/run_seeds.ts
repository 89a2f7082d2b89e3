/** Runs many seeds of the swarm on several threads, up to the first that fails. The result is the same for any number. */
import { Worker } from "node:worker_threads";
import { runSeed } from "./run_seed.ts";
import type { SwarmRun } from "./swarm_run.ts";

export interface SwarmSeeds {
  readonly first: number;
  readonly count: number;
  /** 1 runs on the calling thread. */
  readonly workers: number;
  readonly onProgress?: (done: number) => void;
}

export interface SwarmSummary {
  readonly seeds: number;
  readonly steps: number;
  /** The longest that phase 2 took. */
  readonly convergedAfterMsMax: number;
  /** The failing run of the lowest seed, or null when all passed. */
  readonly failed: SwarmRun | null;
}

export async function runSeeds({ first, count, workers, onProgress }: SwarmSeeds): Promise<SwarmSummary> {
  let done = 0;
  let steps = 0;
  let convergedAfterMsMax = 0;
  let failed: SwarmRun | null = null;
  let next = first;
  const take = (run: SwarmRun): void => {
    done++;
    steps += run.steps;
    convergedAfterMsMax = Math.max(convergedAfterMsMax, run.convergedAfterMs ?? 0);
    if (0 < run.faults.length && (failed === null || run.seed < failed.seed)) failed = run;
    onProgress?.(done);
  };
  const isOver = (): boolean => failed !== null || next === first + count;
  if (workers === 1) while (!isOver()) take(runSeed(next++));
  else await onWorkers(Math.min(workers, count), (worker) => worker(() => (isOver() ? null : next++), take));
  return { seeds: done, steps, convergedAfterMsMax, failed };
}

type Feed = (take: () => number | null, give: (run: SwarmRun) => void) => Promise<void>;

async function onWorkers(count: number, run: (feed: Feed) => Promise<void>): Promise<void> {
  const file = new URL("./swarm_worker.js", import.meta.url);
  const workers = Array.from({ length: count }, () => new Worker(file));
  try {
    await Promise.all(workers.map((worker) => run((take, give) => feed(worker, take, give))));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

function feed(worker: Worker, take: () => number | null, give: (run: SwarmRun) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const giveNext = (): void => {
      const seed = take();
      if (seed === null) resolve();
      else worker.postMessage(seed);
    };
    worker.on("error", reject);
    worker.on("exit", (code) => reject(new Error(`A worker of the swarm ended early with code ${code}`)));
    worker.on("message", (run: SwarmRun) => {
      give(run);
      giveNext();
    });
    giveNext();
  });
}
