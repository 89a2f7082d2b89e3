/** Table 1 (B-31): which scheduler has which problem, from measurement (sim/table1). */

import { type Table1, table1 } from "../../../sim/table1/table1.ts";
import { TABLE1_COLUMNS } from "../../../sim/table1/table1_columns.ts";
import { grid } from "../../plot/grid.ts";
import type { Finding } from "../claim.ts";
import type { Experiment } from "../experiment.ts";

export const table1Experiment: Experiment = {
  figure: "table1",
  title: "Table 1. Which scheduler has which problem",
  text: "For each problem a world that provokes it, one number, and one threshold for all schedulers. A cell says whether the scheduler has the problem; a red frame, that the paper says otherwise.",
  groups: () => [],
  show: (_, { pilot }) => {
    const measured = table1(
      TABLE1_COLUMNS.filter(({ inPaper }) => inPaper),
      { replications: pilot },
    );
    const found: Record<string, Finding> = {};
    for (const { issue, cells } of measured.rows) {
      const wrong = cells.filter((cell) => cell.measured !== cell.paper);
      found[`B-31.${issue.replace(/[ .]+/g, "-")}`] = {
        estimate: { value: cells.length - wrong.length },
        note: wrong
          .map(
            ({ scheduler, value, threshold, decided }) =>
              `${scheduler}: ${value.toPrecision(2)}, threshold ${threshold}${decided ? "" : " within the interval"}`,
          )
          .join("; "),
      };
    }
    return { found, plots: [picture(measured)] };
  },
};

function picture({ rows }: Table1) {
  return grid({
    name: "table-1",
    title: "Has the problem?",
    columns: rows[0]!.cells.map(({ scheduler }) => scheduler),
    rows: rows.map(({ issue, cells }) => ({
      name: issue,
      cells: cells.map(({ scheduler, measured, paper, value }) => ({
        column: scheduler,
        has: measured,
        differs: paper !== measured,
        value,
      })),
    })),
  });
}
