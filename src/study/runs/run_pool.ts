/**
 * Runs on worker threads, one per core. Every run is pure and is handed back with its index, so nothing depends on
 * who ran what when. The threads stay for the next batch: a study asks in rounds, until its intervals are narrow.
 */
import { Worker } from "node:worker_threads";
import { tuneV8 } from "../../sim/tune_v8.ts";
import type { FlatRow } from "./flat_row.ts";
import { keyOfRun, type StudyRun, studyRun } from "./study_run.ts";

export interface RunOrder {
  readonly index: number;
  readonly run: StudyRun;
}

export interface RunReply {
  readonly index: number;
  readonly row: FlatRow;
}

export interface RunFailed {
  readonly index: number;
  readonly failed: string;
}

export interface RunPool {
  /**
   * Rows in the order of the runs. `onRow` hears of each as it is done, in any order; when it throws, so does the batch.
   * Rejects with the engine's own words when it refuses a run.
   */
  readonly run: (
    runs: readonly StudyRun[],
    onRow?: (row: FlatRow, index: number) => void,
  ) => Promise<FlatRow[]>;
  readonly close: () => Promise<void>;
}

/** `workerFile` is the compiled run_worker.ts. One worker is the calling thread. */
export function createRunPool(options: { readonly workers: number; readonly workerFile: URL }): RunPool {
  if (options.workers === 1) return callingThread();
  const workers = Array.from({ length: options.workers }, () => new Worker(options.workerFile));
  return {
    run: async (runs, onRow) => await runBatch(workers, runs, onRow ?? (() => {})),
    close: async () => {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

function callingThread(): RunPool {
  tuneV8();
  return {
    run: async (runs, onRow) =>
      runs.map((run, index) => {
        const row = studyRun(run);
        onRow?.(row, index);
        return row;
      }),
    close: async () => {},
  };
}

async function runBatch(
  workers: readonly Worker[],
  runs: readonly StudyRun[],
  onRow: (row: FlatRow, index: number) => void,
): Promise<FlatRow[]> {
  const rows: FlatRow[] = [];
  let next = 0;
  let isOver = false;
  const drain = (worker: Worker): Promise<void> =>
    new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        worker.off("message", onMessage);
        worker.off("error", onError);
        worker.off("exit", onExit);
        settle();
      };
      const fail = (error: unknown): void => {
        isOver = true;
        end(() => reject(error instanceof Error ? error : new Error(String(error))));
      };
      const onError = (error: unknown): void => fail(error);
      const onExit = (code: number): void => fail(new Error(`A worker ended early with code ${code}`));
      const giveNext = (): void => {
        if (isOver || next === runs.length) {
          end(resolve);
          return;
        }
        const index = next++;
        worker.postMessage({ index, run: runs[index]! } satisfies RunOrder);
      };
      const onMessage = (reply: RunReply | RunFailed): void => {
        if ("failed" in reply) {
          fail(new Error(`${keyOfRun(runs[reply.index]!)}: ${reply.failed}`));
          return;
        }
        rows[reply.index] = reply.row;
        try {
          onRow(reply.row, reply.index);
        } catch (error) {
          fail(error);
          return;
        }
        giveNext();
      };
      worker.on("message", onMessage);
      worker.on("error", onError);
      worker.on("exit", onExit);
      giveNext();
    });
  await Promise.all(workers.map(drain));
  return rows;
}
