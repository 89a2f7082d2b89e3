/** The core benchmark as tables for a terminal. */
import { alignedTable } from "../aligned_table.ts";
import type { BenchCoreResult } from "./bench_core.ts";

export function renderCoreTables({ speed, quality, evenness, rounding }: BenchCoreResult): string[] {
  return [
    "Time of one plan in milliseconds, with 95 % intervals",
    ...alignedTable([
      ["pCPUs", "domains", "plans", "p50", "", "p99", ""],
      ...speed.map(({ pcpus, domains, samplesMs, medianMs, medianCi95, p99Ms, p99Ci95 }) => [
        String(pcpus),
        String(domains),
        String(samplesMs.length),
        ms(medianMs),
        interval(medianCi95),
        ms(p99Ms),
        interval(p99Ci95),
      ]),
    ]),
    "",
    "Placements against an exhaustive search, on small hosts",
    ...alignedTable([
      ["host", "cases", "optimal", "where the others are worse first"],
      ...quality.map(({ kind, cases, optimal, gaps }) => [
        kind,
        String(cases),
        percent(optimal / cases),
        gaps.map(({ part, cases: worse, worst }) => `${part}: ${worse} by ${worst} at most`).join(", ") ||
          "-",
      ]),
      [
        "more domains than pCPUs",
        String(evenness.cases),
        percent(evenness.optimal / evenness.cases),
        `fullest pCPU: ${evenness.worstExcess.toFixed(0)} milli-pCPU above the least possible at most`,
      ],
    ]),
    "",
    "Rounding, on 12 pCPUs (errors in milli-pCPU, the rest in means per host)",
    ...alignedTable([
      [
        "rounding",
        "cases",
        "mean error",
        "worst error",
        "idle pCPUs",
        "idle though wanted",
        "sharing domains",
      ],
      ...rounding.map((row) => [
        row.rounding,
        String(row.cases),
        row.meanError.toFixed(0),
        row.worstError.toFixed(0),
        row.idlePcpus.toFixed(2),
        row.idleThoughWanted.toFixed(2),
        row.sharingDomains.toFixed(2),
      ]),
    ]),
  ];
}

function ms(value: number): string {
  return value.toFixed(value < 1 ? 3 : 2);
}

function interval([low, high]: readonly [number, number]): string {
  return `[${ms(low)}, ${ms(high)}]`;
}

function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(1)} %`;
}
