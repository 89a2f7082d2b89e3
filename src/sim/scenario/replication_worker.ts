/** A thread of run_replications.ts: takes the number of a replication, gives its row. */
import { parentPort, workerData } from "node:worker_threads";
import type { WorkerStart } from "./run_replications.ts";
import { runScenario } from "./run_scenario.ts";

const { scenario, commit } = workerData as WorkerStart;

parentPort!.on("message", (replication: number) => {
  parentPort!.postMessage(runScenario(scenario, replication, commit));
});
