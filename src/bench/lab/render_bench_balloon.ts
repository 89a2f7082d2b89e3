/** The balloon benchmark as a table for a terminal. */
import { alignedTable } from "../aligned_table.ts";
import type { Interval } from "../statistics.ts";
import type { BalloonBenchResult, Way } from "./bench_balloon.ts";

const NAMES: Readonly<Record<Way, string>> = {
  write: "bare write in the guest",
  offline: "vbal, offline",
  isolate: "vbal, isolate",
  stock: "stock agent",
};

export function renderBalloonTable({ host, runs, summary }: BalloonBenchResult): string[] {
  return [
    `Milliseconds from the command until the guest confirmed, with 95 % intervals; ${runs} rounds, ${host.accelerator}, ${host.pcpus} pCPUs, ${host.model}`,
    ...alignedTable([
      ["vCPUs", "way", "direction", "p50", "", "p90", "", "p99", "", "over the bare write"],
      ...summary.map((row) => [
        String(row.vcpus),
        NAMES[row.way],
        row.direction,
        ms(row.p50),
        interval(row.p50Ci95),
        ms(row.p90),
        interval(row.p90Ci95),
        ms(row.p99),
        interval(row.p99Ci95),
        row.way === "write" ? "" : `${row.overWrite.ratio.toFixed(2)} ${interval(row.overWrite.ci95, 2)}`,
      ]),
    ]),
  ];
}

function ms(value: number): string {
  return value.toFixed(1);
}

function interval([low, high]: Interval, digits = 1): string {
  return `[${low.toFixed(digits)}, ${high.toFixed(digits)}]`;
}
