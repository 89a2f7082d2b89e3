/** The hotplug benchmark as a table for a terminal. */
import { alignedTable } from "../aligned_table.ts";
import type { HotplugBenchResult } from "./bench_hotplug.ts";
import type { Distribution } from "./distribution.ts";

export function renderHotplugTable(result: HotplugBenchResult): string[] {
  const { host, way, loadAverageBaseline, agent } = result;
  const row = (what: string, { p50, p90, p99, worst, samples }: Distribution, digits = 0): string[] => [
    what,
    ...[p50, p90, p99, worst].map((value) => (value === null ? "-" : value.toFixed(digits))),
    String(samples),
  ];
  return [
    `Load bound to a virtual NUMA node; the vCPU is ${way === "plug" ? "plugged" : "brought online"}; ${host.accelerator}, ${host.pcpus} pCPUs, ${host.model}`,
    ...alignedTable([
      ["milliseconds", "p50", "p90", "p99", "worst", "runs"],
      row("onset to request", result.onsetToRequestMs),
      row("request to answer", result.requestToAnswerMs),
      row("answer to running", result.answerToRunningMs),
      row("onset to running", result.onsetToRunningMs),
      row("the same by load average", loadAverageBaseline.onsetToRunningMs),
      row("agent, % of a vCPU", agent.cpuPercent, 2),
      row("agent, resident KiB", inKib(agent.rssBytes)),
    ]),
    ...result.failures.map(({ run, arm, why }) => `run ${run + 1}, ${arm}, failed: ${why}`),
  ];
}

function inKib(bytes: Distribution): Distribution {
  const kib = (value: number | null): number | null => (value === null ? null : value / 1024);
  return { ...bytes, p50: kib(bytes.p50), p90: kib(bytes.p90), p99: kib(bytes.p99), worst: kib(bytes.worst) };
}
