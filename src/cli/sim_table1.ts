/** `vbal sim table1`: which scheduler has which problem, measured, beside what the paper says. */
import { availableParallelism } from "node:os";
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, withDefault } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { integer } from "@optique/core/valueparser";
import { TABLE1_REPLICATIONS, type Table1, type Table1Cell, table1OnWorkers } from "../sim/table1/table1.ts";
import { TABLE1_COLUMNS } from "../sim/table1/table1_columns.ts";
import { type Column, renderTable } from "./columns.ts";
import { type Command, type Deed, jsonOption } from "./command.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { renderJson } from "./render_json.ts";
import type { Terminal } from "./terminal.ts";

export const simTable1Command: Command = command(
  "table1",
  map(
    object({
      replications: withDefault(
        option("--replications", integer({ min: 1, max: 1000, metavar: "N" }), {
          description: message`Of every cell, 10 when absent.`,
        }),
        TABLE1_REPLICATIONS,
      ),
      workers: withDefault(
        option("--workers", integer({ min: 1, max: 256, metavar: "N" }), {
          description: message`Threads; as many as there are pCPUs when absent. The result does not depend on it.`,
        }),
        availableParallelism(),
      ),
      json: jsonOption(),
    }),
    ({ replications, workers, json }): Deed =>
      async (terminal) => {
        let told = performance.now();
        const measured = await table1OnWorkers(TABLE1_COLUMNS, {
          replications,
          workers,
          workerFile: new URL("../sim/table1/table1_worker.js", import.meta.url),
          onProgress: (done, of) => {
            if (performance.now() - told < PROGRESS_EVERY_MS) return;
            told = performance.now();
            terminal.printError(`${done} of ${of} trials`);
          },
        });
        terminal.print(json ? renderJson(measured, terminal) : renderTable1(measured, terminal).join("\n"));
        return EXIT_CODE.ok;
      },
  ),
  {
    brief: message`Measure Table 1 of the paper: which scheduler has which problem.`,
    footer: commandExamples(
      ["vbal sim table1", "takes minutes"],
      ["vbal sim table1 --replications 3", "a rougher look"],
    ),
  },
);

const PROGRESS_EVERY_MS = 2_000;

function renderTable1({ rows, replications }: Table1, terminal: Terminal): string[] {
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
    "yes: has the problem. !: the paper says otherwise (docs/simulator.md says why). ?: the interval contains the threshold.",
    `Means of ${replications} replications, plus or minus half of the 95 % interval.`,
    ...rows.map(({ issue, cells }) => `${issue}: ${cells[0]!.metric}; yes above ${cells[0]!.threshold}`),
  ];
}

/** Seven columns do not fit a narrow screen; it may scroll. */
const WIDTH_MIN = 130;

function verdict({ measured, decided, paper, value, ci95 }: Table1Cell): string {
  const differs = paper !== null && paper !== measured ? " !" : "";
  const half = (ci95[1] - ci95[0]) / 2;
  const text = `${Number(value.toPrecision(2))}±${Number(half.toPrecision(1))}`;
  return `${measured ? "yes" : "no"}${decided ? "" : "?"} ${text}${differs}`;
}
