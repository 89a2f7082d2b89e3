/** `vbal sim run`: the replications of a scenario, as a table, or one tidy row per run. */
import { availableParallelism } from "node:os";
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import { argument, command, option } from "@optique/core/primitives";
import { integer, string } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import { renderCsv } from "../sim/output/render_csv.ts";
import { runReplications } from "../sim/scenario/run_replications.ts";
import type { Scenario } from "../sim/scenario/scenario.ts";
import { CliError } from "./cli_error.ts";
import { type Command, type Deed, jsonOption } from "./command.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { readScenarioFile } from "./read_scenario_file.ts";
import { renderSimulation } from "./render_simulation.ts";
import type { Terminal } from "./terminal.ts";

export const simRunCommand: Command = command(
  "run",
  map(
    object({
      scenario: argument(path({ metavar: "SCENARIO" })),
      seed: optional(
        option("--seed", integer({ min: 0, max: 0xffff_ffff, metavar: "N" }), {
          description: message`In place of the scenario's own.`,
        }),
      ),
      replications: optional(
        option("--replications", integer({ min: 1, max: 100_000, metavar: "N" }), {
          description: message`How often to run it, each time with other draws.`,
        }),
      ),
      workers: optional(
        option("--workers", integer({ min: 1, max: 1024, metavar: "N" }), {
          description: message`Threads to run on, all cores when absent; results do not depend on it.`,
        }),
      ),
      commit: optional(
        option("--commit", string({ metavar: "HASH" }), {
          description: message`Written into every row, so that it says which program made it.`,
        }),
      ),
      json: jsonOption(),
      csv: option("--csv", { description: message`Print CSV, a column for each number.` }),
    }),
    ({ scenario: file, seed, replications, workers, commit, json, csv }): Deed =>
      async (terminal) => {
        if (json && csv) throw new CliError("usage", "Choose one of --json and --csv");
        const written = await readScenarioFile(file);
        const scenario: Scenario = {
          ...written,
          config: { ...written.config, seed: seed ?? written.config.seed },
          replications: replications ?? written.replications,
        };
        const rows = await simulated(() =>
          runReplications(scenario, {
            workers: workers ?? availableParallelism(),
            workerFile: new URL("../sim/scenario/replication_worker.js", import.meta.url),
            commit: commit ?? null,
            onProgress: progressOn(terminal),
          }),
        );
        if (json) terminal.print(rows.map((row) => JSON.stringify(row)).join("\n"));
        else if (csv) terminal.print(renderCsv(rows));
        else {
          const layout = { width: terminal.columns(), style: terminal.style };
          terminal.print(renderSimulation(scenario, rows, layout).join("\n"));
        }
        return EXIT_CODE.ok;
      },
  ),
  {
    brief: message`Run a scenario and say what became of each domain.`,
    footer: commandExamples(
      ["vbal sim run scenarios/mm1.yaml", "a table"],
      ["vbal sim run scenarios/mm1.yaml --replications 30 --csv", "a row per run, for a statistics program"],
      ["vbal sim run scenarios/mm1.yaml --seed 7 --json", "with every vCPU and thread"],
    ),
  },
);

/** What the engine refuses while it runs is told as a sentence, not as a stack. */
export async function simulated<T>(run: () => T | Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw new CliError("failed", error instanceof Error ? error.message : String(error));
  }
}

/** Progress is told at most this often. */
const PROGRESS_EVERY_MS = 2_000;

function progressOn(terminal: Terminal): (done: number, of: number) => void {
  let told = performance.now();
  return (done, of) => {
    if (performance.now() - told < PROGRESS_EVERY_MS || done === of) return;
    told = performance.now();
    terminal.printError(`${done} of ${of} runs`);
  };
}
