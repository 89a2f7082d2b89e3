/**
 * The history as the daemon sees it: samples go to a thread that writes them (history_thread.ts). The daemon never waits
 * for it: when the disk does not keep up, samples are left out and counted.
 */
import { Worker } from "node:worker_threads";
import type { Milliseconds } from "../../core/units.ts";
import { threadFile } from "../thread_file.ts";
import type { HistorySample } from "./history_sample.ts";

export interface HistoryStart {
  readonly path: string;
  readonly maxBytes: number;
}

export interface HistoryOptions extends HistoryStart {
  readonly onFault: (message: string) => void;
}

export interface History {
  /** Never throws, never waits. */
  keep(sample: HistorySample): void;
  readonly meters: HistoryMeters;
  close(): Promise<void>;
}

export interface HistoryMeters {
  /** null: nothing was written yet. */
  readonly bytes: number | null;
  /** Samples that are on their way to the disk. */
  readonly waiting: number;
  /** Samples that were left out: the disk was too slow, or full. */
  readonly leftOut: number;
}

export type ToHistory = readonly HistorySample[] | "close";

export type FromHistory =
  | {
      readonly kind: "kept";
      readonly samples: number;
      readonly bytes: number | null;
      readonly isKept: boolean;
    }
  | { readonly kind: "fault"; readonly text: string };

/**
 * Samples go to the disk together: a transaction writes whole pages, each second's rows are on pages of their own, and those of
 * five seconds mostly on the same. A kill may cost as much, and a reader sees it so late.
 */
export const TOGETHER_SECONDS = 5;
/** A disk that hangs for longer than this many seconds loses what comes meanwhile: the queue must not grow. */
const WAITING_MAX = 60;
/** Time for what waits to be written; a disk that hangs must not hold up a stop. */
const CLOSE_DEADLINE_MS: Milliseconds = 2_000;
/** Samples are small and short-lived; without bounds V8 would let the thread grow by dozens of megabytes. */
const HEAP_LIMITS = { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 2 };
/** A thread that died, for a fault of the library or of memory, is started again with the first sample after this. */
const RESTART_AFTER_SECONDS = 10;

export function startHistory(options: HistoryOptions): History {
  let worker: Worker | null = null;
  let restartAt = 0;
  const held: HistorySample[] = [];
  let sentAt = Number.NEGATIVE_INFINITY;
  let waiting = 0;
  let leftOut = 0;
  let bytes: number | null = null;

  function start(): Worker {
    const { path, maxBytes } = options;
    const started = new Worker(threadFile("history/history_thread.js"), {
      workerData: { path, maxBytes } satisfies HistoryStart,
      resourceLimits: HEAP_LIMITS,
    });
    // The daemon's own end does not wait for it.
    started.unref();
    started.on("error", (error) =>
      options.onFault(`The history's thread failed: ${error.stack ?? String(error)}`),
    );
    started.on("exit", () => {
      if (worker === started) worker = null;
      // What it was not sent yet is for the next one.
      leftOut += waiting - held.length;
      waiting = held.length;
    });
    started.on("message", (message: FromHistory) => {
      if (message.kind === "fault") return options.onFault(message.text);
      waiting -= message.samples;
      if (!message.isKept) leftOut += message.samples;
      bytes = message.bytes ?? bytes;
    });
    return started;
  }

  return {
    keep(sample) {
      if (worker === null) {
        if (sample.at < restartAt) {
          leftOut += 1;
          return;
        }
        restartAt = sample.at + RESTART_AFTER_SECONDS;
        worker = start();
      }
      if (WAITING_MAX <= waiting) {
        if (waiting === WAITING_MAX && leftOut === 0) {
          options.onFault(
            `The history ${options.path} does not keep up; samples are left out. Put history.path on a faster disk`,
          );
        }
        leftOut += 1;
        return;
      }
      waiting += 1;
      held.push(sample);
      if (sample.at < sentAt + TOGETHER_SECONDS) return;
      sentAt = sample.at;
      worker.postMessage(held.splice(0) satisfies ToHistory);
    },
    get meters() {
      return { bytes, waiting, leftOut };
    },
    async close() {
      const ending = worker;
      worker = null;
      if (ending === null) return;
      const ended = new Promise<void>((resolve) => ending.once("exit", () => resolve()));
      ending.ref();
      ending.postMessage(held.splice(0) satisfies ToHistory);
      ending.postMessage("close" satisfies ToHistory);
      const late = setTimeout(() => void ending.terminate(), CLOSE_DEADLINE_MS);
      await ended;
      clearTimeout(late);
    },
  };
}
