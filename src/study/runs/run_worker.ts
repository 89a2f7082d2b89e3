/** A thread of run_pool.ts: takes a run, gives its row. */
import { parentPort } from "node:worker_threads";
import { tuneV8 } from "../../sim/tune_v8.ts";
import type { RunFailed, RunOrder, RunReply } from "./run_pool.ts";
import { studyRun } from "./study_run.ts";

tuneV8();

parentPort!.on("message", ({ index, run }: RunOrder) => {
  let reply: RunReply | RunFailed;
  try {
    reply = { index, row: studyRun(run) };
  } catch (error) {
    reply = { index, failed: error instanceof Error ? error.message : String(error) };
  }
  parentPort!.postMessage(reply);
});
