/** One run of a scenario: pure, so that any worker gives the same row for the same replication. */
import { type RunRow, runRow } from "../output/run_row.ts";
import { runSimulation } from "../run.ts";
import { createController } from "./controllers.ts";
import type { Scenario } from "./scenario.ts";

export function runScenario(scenario: Scenario, replication: number, commit: string | null): RunRow {
  const { config, controller } = scenario;
  const result = runSimulation(
    { ...config, replication },
    controller === null ? {} : { controller: createController(controller) },
  );
  return runRow(scenario, { replication, result, commit });
}
