/** Table 1 for its two ends: the plain scheduler that has most of the problems, and VCPU-Bal that has none (B-31). */
import { expect, test } from "vitest";
import { table1 } from "./table1.ts";
import { TABLE1_COLUMNS } from "./table1_columns.ts";

test("credit and VCPU-Bal come out as in the paper, each cell with its metric, value and threshold", () => {
  const columns = TABLE1_COLUMNS.filter(({ scheduler }) => ["credit", "vcpu-bal"].includes(scheduler));
  const { rows } = table1(columns, { replications: 2 });
  expect(rows.map(({ issue, cells }) => [issue, ...cells.map(({ measured }) => measured)])).toEqual([
    ["vCPU preemption", true, false],
    ["vCPU stacking", true, false],
    ["CPU fragmentation", false, false],
    ["priority inversion", false, false],
    ["sync. impl. sensitive", false, false],
    ["spinlock", true, false],
  ]);
  for (const cell of rows.flatMap(({ cells }) => cells)) {
    expect(cell.measured).toBe(cell.threshold < cell.value);
    expect(cell.measured).toBe(cell.paper);
    expect(cell.metric).not.toBe("");
  }
});
