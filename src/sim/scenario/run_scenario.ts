/** One run of a scenario: pure, so that any worker gives the same row for the same replication. */
import { createController } from "../controller/controllers.ts";
import { type RunRow, runRow } from "../output/run_row.ts";
import { runSimulation } from "../run.ts";
import type { Scenario } from "./scenario.ts";

export function runScenario(scenario: Scenario, replication: number, commit: string | null): RunRow {
  const { config, controllers } = scenario;
  const result = runSimulation(
    { ...config, replication },
    controllers.length === 0 ? {} : { controller: createController(controllers) },
  );
  return runRow(scenario, { replication, result, commit });
}
