/** A thread of table1.ts: takes the numbers of a trial, gives its value. */
import { parentPort } from "node:worker_threads";
import { tuneV8 } from "../tune_v8.ts";
import { runTrial, type TrialNumbers } from "./table1.ts";

tuneV8();
parentPort!.on("message", (trial: TrialNumbers) => {
  parentPort!.postMessage(runTrial(trial));
});
