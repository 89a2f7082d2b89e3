/** A thread of run_seeds.ts: takes a seed, gives what came of it. */
import { parentPort } from "node:worker_threads";
import { runSeed } from "./run_seed.ts";

parentPort!.on("message", (seed: number) => {
  parentPort!.postMessage(runSeed(seed));
});
