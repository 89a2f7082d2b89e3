/** The demand benchmark as a table for a terminal. */
import { alignedTable } from "../aligned_table.ts";
import { median } from "../statistics.ts";
import { DEMAND_MODES, type DemandBenchResult } from "./bench_demand.ts";

export function renderDemandTable(result: DemandBenchResult): string[] {
  const { pcpus, seeds, burstsPerSeed, burstSeconds, demandOverStrict, steadyBelowMs, rows } = result;
  const { ratio, ci95 } = demandOverStrict;
  return [
    `Two guests with bursts in turn beside a steady one, simulated host of ${pcpus} pCPUs, ${seeds} series of ${burstsPerSeed} bursts`,
    `of ${burstSeconds.join(" to ")} s each at what the guest is due`,
    ...alignedTable([
      ["mode", "seconds, median", "granted, median", "steady guest below its due, longest"],
      ...DEMAND_MODES.map((mode) => {
        const own = rows.filter((row) => row.mode === mode);
        const medianOf = (pick: (row: (typeof own)[number]) => number) => median(own.map(pick)).toFixed(0);
        return [
          mode,
          medianOf(({ seconds }) => seconds),
          medianOf(({ granted }) => granted),
          `${steadyBelowMs[mode]} ms`,
        ];
      }),
    ]),
    `demand over strict: ${ratio.toFixed(3)} (95 % interval ${ci95.map((value) => value.toFixed(3)).join(" to ")})`,
  ];
}
