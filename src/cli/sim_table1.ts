/** `vbal sim table1`: which scheduler has which problem, measured, beside what the paper says. */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map } from "@optique/core/modifiers";
import { command } from "@optique/core/primitives";
import { type Table1, type Table1Cell, table1 } from "../sim/table1/table1.ts";
import { type Column, renderTable } from "./columns.ts";
import { type Command, type Deed, jsonOption } from "./command.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { renderJson } from "./render_json.ts";
import type { Terminal } from "./terminal.ts";

export const simTable1Command: Command = command(
  "table1",
  map(
    object({ json: jsonOption() }),
    ({ json }): Deed =>
      async (terminal) => {
        let told = performance.now();
        const measured = table1(undefined, (done, of) => {
          if (performance.now() - told < PROGRESS_EVERY_MS) return;
          told = performance.now();
          terminal.printError(`${done} of ${of} cells`);
        });
        terminal.print(json ? renderJson(measured, terminal) : renderTable1(measured, terminal).join("\n"));
        return EXIT_CODE.ok;
      },
  ),
  { brief: message`Measure Table 1 of the paper: which scheduler has which problem.` },
);

const PROGRESS_EVERY_MS = 2_000;

function renderTable1({ rows }: Table1, terminal: Terminal): string[] {
  const columns: Column[] = [
    { title: "scheduler", align: "left" },
    ...rows.map(({ issue }): Column => ({ title: issue, align: "left" })),
  ];
  const schedulers = rows[0]!.cells.map(({ scheduler }) => scheduler);
  const { style } = terminal;
  return [
    ...renderTable({
      columns,
      rows: schedulers.map((scheduler, i) =>
        [scheduler, ...rows.map(({ cells }) => verdict(cells[i]!))].map((text) => ({ text })),
      ),
      width: Math.max(terminal.columns(), WIDTH_MIN),
      titleLook: style.faint,
    }),
    "",
    "yes: has the problem. !: the paper says otherwise (docs/simulator.md says why).",
    ...rows.map(({ issue, cells }) => `${issue}: ${cells[0]!.metric}; yes above ${cells[0]!.threshold}`),
  ];
}

/** Seven columns do not fit a narrow screen; it may scroll. */
const WIDTH_MIN = 130;

function verdict({ measured, paper, value }: Table1Cell): string {
  const differs = paper !== null && paper !== measured ? " !" : "";
  return `${measured ? "yes" : "no"} ${Number(value.toPrecision(2))}${differs}`;
}
