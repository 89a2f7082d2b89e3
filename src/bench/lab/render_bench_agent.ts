/** The agent benchmark as a table for a terminal. */
import { alignedTable } from "../aligned_table.ts";
import type { AgentBenchResult } from "./bench_agent.ts";

export function renderAgentTable({ host, vcpus, rows }: AgentBenchResult): string[] {
  return [
    `A guest of ${vcpus} vCPUs; ${host.accelerator}, ${host.pcpus} pCPUs, ${host.model}`,
    ...alignedTable([
      ["load", "agent, % of a vCPU", "resident MiB", "threads", "switches/s", "measures came"],
      ...rows.map(({ load, cpuPercent, rssBytes, threads, switchesPerSecond, measures, seconds }) => [
        load,
        cpuPercent.toFixed(2),
        (rssBytes / 2 ** 20).toFixed(1),
        String(threads),
        switchesPerSecond.toFixed(0),
        measures === 0 ? "none" : `every ${(seconds / measures).toFixed(1)} s`,
      ]),
    ]),
    ...rows.flatMap(({ load, degraded }) => degraded.map((line) => `${load}: ${line}`)),
  ];
}
