/** `vbal sim list`: what there is to simulate: scenarios, host schedulers, workloads and where their numbers come from. */
import { readdirSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map } from "@optique/core/modifiers";
import { command } from "@optique/core/primitives";
import { CONTROLLER_NAMES } from "../sim/scenario/controller_schema.ts";
import { SCHEDULER_NAMES } from "../sim/scenario/scheduler_schema.ts";
import { LIBRARY } from "../sim/workload/library/library.ts";
import { wrap } from "./columns.ts";
import { type Command, type Deed, jsonOption } from "./command.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { readScenarioFile } from "./read_scenario_file.ts";
import { renderJson } from "./render_json.ts";

export const simListCommand: Command = command(
  "list",
  map(
    object({ json: jsonOption() }),
    ({ json }): Deed =>
      async (terminal) => {
        const scenarios = await shippedScenarios();
        if (json) {
          const workloads = LIBRARY.map(({ name, brief, parameters }) => ({ name, brief, parameters }));
          const list = { scenarios, schedulers: SCHEDULER_NAMES, controllers: CONTROLLER_NAMES, workloads };
          terminal.print(renderJson(list, terminal));
          return EXIT_CODE.ok;
        }
        const { title } = terminal.style;
        const line = (name: string, text: string): string =>
          wrap(`${name.padEnd(NAME_WIDTH)}  ${text}`, terminal.columns(), "  ").join("\n");
        terminal.print(
          [
            title("Scenarios"),
            ...scenarios.map(
              ({ file, why }) => `  ${file}\n${wrap(why, terminal.columns(), "    ").join("\n")}`,
            ),
            title("Host schedulers"),
            ...wrap(SCHEDULER_NAMES.join(", "), terminal.columns(), "  "),
            title("Controllers"),
            ...wrap(CONTROLLER_NAMES.join(", "), terminal.columns(), "  "),
            title("Workloads"),
            ...LIBRARY.map(({ name, brief }) => line(name, brief)),
          ].join("\n"),
        );
        return EXIT_CODE.ok;
      },
  ),
  {
    brief: message`List scenarios, host schedulers and workloads; with --json the source of every number.`,
    footer: commandExamples(
      ["vbal sim list", "what a scenario may name"],
      ["vbal sim list --json", "with the source of every number"],
    ),
  },
);

const NAME_WIDTH = 14;

/** The scenarios that come with the program, by path from where the person stands. */
async function shippedScenarios(): Promise<{ file: string; why: string }[]> {
  const folder = join(dirname(fileURLToPath(import.meta.url)), "../../scenarios");
  const files = readdirSync(folder).filter((file) => file.endsWith(".yaml"));
  return await Promise.all(
    files.sort().map(async (file) => {
      const path = join(folder, file);
      const { why } = await readScenarioFile(path);
      return { file: relative(process.cwd(), path), why };
    }),
  );
}
