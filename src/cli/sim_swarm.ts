/** `vbal sim swarm`: the controller on hosts where everything goes wrong, one host per seed. */
import { availableParallelism } from "node:os";
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { integer } from "@optique/core/valueparser";
import { runSeeds } from "../sim/swarm/run_seeds.ts";
import { type Command, type Deed, jsonOption } from "./command.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { renderJson } from "./render_json.ts";

export const simSwarmCommand: Command = command(
  "swarm",
  map(
    object({
      seeds: optional(
        option("--seeds", integer({ min: 1, max: 100_000_000, metavar: "N" }), {
          description: message`How many, 1000 when absent.`,
        }),
      ),
      first: optional(
        option("--first", integer({ min: 0, max: 0xffff_ffff, metavar: "SEED" }), {
          description: message`The first of them, 1 when absent.`,
        }),
      ),
      workers: optional(
        option("--workers", integer({ min: 1, max: 1024, metavar: "N" }), {
          description: message`Threads to run on, all cores when absent.`,
        }),
      ),
      json: jsonOption(),
    }),
    ({ seeds = SEEDS_DEFAULT, first = 1, workers, json }): Deed =>
      async (terminal) => {
        let told = performance.now();
        terminal.printError(`Seeds ${first} to ${first + seeds - 1}`);
        const summary = await runSeeds({
          first,
          count: seeds,
          workers: workers ?? availableParallelism(),
          onProgress: (done) => {
            if (performance.now() - told < PROGRESS_EVERY_MS) return;
            told = performance.now();
            terminal.printError(`${done} of ${seeds} seeds`);
          },
        });
        const { failed, steps, convergedAfterMsMax } = summary;
        if (json) terminal.print(renderJson(summary, terminal));
        else if (failed === null) {
          terminal.print(`PASSED (${seeds} seeds)`);
          terminal.print(`${steps} steps; every host came to its plan within ${convergedAfterMsMax} ms`);
        } else {
          terminal.print(
            [`FAILED (seed ${failed.seed})`, ...failed.faults.map((text) => `  ${text}`)].join("\n"),
          );
          terminal.print(`Reproduce with: vbal sim swarm --seeds 1 --first ${failed.seed}`);
        }
        return failed === null ? EXIT_CODE.ok : EXIT_CODE.failed;
      },
  ),
  {
    brief: message`Try the controller on hosts where everything goes wrong.`,
    description: message`Each seed is a host of its own: guests that are slow, stuck, lying or dead, looks that are late, commands that are lost or doubled, a daemon that is killed at any moment. First nothing may break, then the host must come to its plan.`,
    footer: commandExamples(
      ["vbal sim swarm --seeds 10000", "ten thousand hosts"],
      ["vbal sim swarm --seeds 1 --first 4711", "one of them again"],
    ),
  },
);

const SEEDS_DEFAULT = 1_000;
const PROGRESS_EVERY_MS = 2_000;
