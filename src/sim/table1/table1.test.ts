/** Table 1 for its two ends: the plain scheduler that has most of the problems, and VCPU-Bal that has none (B-31). */
import { expect, test } from "vitest";
import type { DemandBasedConfig } from "../host_scheduler/demand_based.ts";
import type { Workload } from "../workload/program.ts";
import { table1, table1OnWorkers } from "./table1.ts";
import { TABLE1_COLUMNS } from "./table1_columns.ts";
import { TABLE1_ISSUES } from "./table1_issues.ts";
import { measure } from "./table1_runs.ts";

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

test("stacking under balance is pulling: with barriers that never block nothing is pulled, and nobody is stacked", () => {
  const balance = TABLE1_COLUMNS.find(({ scheduler }) => scheduler === "balance")!;
  const stacked = (spin: { spin?: number }): number => {
    const workload: Workload = {
      barriers: { b: { parties: 4, ...spin } },
      tasks: [
        {
          count: 4,
          program: [
            { do: "sleep", time: { low: 0, high: 30_000_000 } },
            {
              do: "repeat",
              body: [
                { do: "compute", time: { mean: 500_000, cv: 1 } },
                { do: "barrier", barrier: "b" },
              ],
            },
          ],
        },
      ],
    };
    const run = measure(
      balance,
      ["a", "b"].map((name) => ({ name, vcpus: 4, workload })),
      0,
    );
    return run.stacked / run.wanting;
  };
  expect(stacked({ spin: 100_000 })).toBeGreaterThan(0.05);
  expect(stacked({})).toBe(0);
});

test("preemption under demand-based is its bound: without it every target of an interrupt is urgent, and hardly one is waited for", () => {
  const demandBased = TABLE1_COLUMNS.find(({ scheduler }) => scheduler === "demand-based")!;
  const { valueFor, threshold } = TABLE1_ISSUES.find(({ issue }) => issue === "vCPU preemption")!;
  const waitedFor = (more: Partial<DemandBasedConfig>): number => {
    const column = { ...demandBased, host: { ...more, kind: "demand-based" as const } };
    return valueFor({ column, measure: (domains, on = column) => measure(on, domains, 0) });
  };
  expect(waitedFor({})).toBeGreaterThan(threshold);
  expect(waitedFor({ urgentLead: Number.POSITIVE_INFINITY })).toBeLessThan(threshold / 10);
  expect(waitedFor({ ipiDriven: false })).toBeGreaterThan(waitedFor({}));
});

test("any number of workers gives the same table, byte for byte", async () => {
  const columns = TABLE1_COLUMNS.filter(({ scheduler }) => scheduler === "round robin");
  const workerFile = new URL("../../../dist/sim/table1/table1_worker.js", import.meta.url);
  const [one, two] = await Promise.all(
    [1, 2].map((workers) => table1OnWorkers(columns, { workers, workerFile, replications: 1 })),
  );
  expect(JSON.stringify(two)).toBe(JSON.stringify(one));
});
