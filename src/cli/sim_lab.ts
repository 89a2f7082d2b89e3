/** `vbal sim lab`: the real lab beside the simulator. */
import { readFile } from "node:fs/promises";
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map } from "@optique/core/modifiers";
import { argument, command } from "@optique/core/primitives";
import { path } from "@optique/run/valueparser";
import type { LabBenchResult } from "../bench/lab/bench_lab.ts";
import { predictLab } from "../bench/sim/lab_prediction.ts";
import { renderLabPrediction } from "../bench/sim/render_lab_prediction.ts";
import { tuneV8 } from "../sim/tune_v8.ts";
import { CliError } from "./cli_error.ts";
import { type Command, type Deed, jsonOption } from "./command.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { renderJson } from "./render_json.ts";

export const simLabCommand: Command = command(
  "lab",
  map(
    object({ result: argument(path({ metavar: "LAB.JSON" })), json: jsonOption() }),
    ({ result, json }): Deed =>
      async (terminal) => {
        tuneV8();
        const prediction = predictLab(await readLabResult(result));
        terminal.print(json ? renderJson(prediction, terminal) : renderLabPrediction(prediction).join("\n"));
        return EXIT_CODE.ok;
      },
  ),
  {
    brief: message`Predict two real guests from one: what vbal bench lab measured, beside the simulator.`,
    footer: commandExamples(
      ["vbal bench lab --arms default,affinity,vbal,alone,alone-one --out results", "measure"],
      ["vbal sim lab results/lab.json", "predict, and show the errors"],
    ),
  },
);

async function readLabResult(file: string): Promise<LabBenchResult> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as LabBenchResult;
  } catch (fault) {
    throw new CliError("badFile", `${file} is no result of vbal bench lab: ${(fault as Error).message}`);
  }
}
