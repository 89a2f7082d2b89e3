/** The daemon benchmark as a table for a terminal. */
import { alignedTable } from "../aligned_table.ts";
import type { DaemonBenchResult } from "./bench_daemon.ts";

export function renderDaemonTable({ host, guests, seconds, daemon, agent }: DaemonBenchResult): string[] {
  return [
    `${guests} idle guests for ${seconds} s at an interval of 1 s; ${host.accelerator}, ${host.pcpus} pCPUs, ${host.model}`,
    ...alignedTable([
      ["what", "median", "worst", "whole time"],
      [
        "daemon, % of a pCPU (over 10 s)",
        daemon.cpuPercentOfTenSeconds.median.toFixed(2),
        daemon.cpuPercentOfTenSeconds.worst.toFixed(2),
        daemon.cpuPercent.toFixed(2),
      ],
      [
        "daemon, resident MiB",
        mebibytes(daemon.rssBytes.median),
        mebibytes(daemon.rssBytes.worst),
        `peak ${mebibytes(daemon.peakRssBytes)}`,
      ],
      ["agent, % of a vCPU", agent.cpuPercent.median.toFixed(3), agent.cpuPercent.worst.toFixed(3)],
      ["agent, resident MiB", mebibytes(agent.rssBytes.median, 2), mebibytes(agent.rssBytes.worst, 2)],
      ["agent, binary MiB", mebibytes(agent.binaryBytes, 2)],
    ]),
  ];
}

function mebibytes(bytes: number, digits = 0): string {
  return (bytes / 2 ** 20).toFixed(digits);
}
