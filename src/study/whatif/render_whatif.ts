/** The answer as lines of text. */
import type { Predicted, WhatIf } from "./whatif.ts";

export function renderWhatIf({ record, models, policies, assumptions, gaps, summary }: WhatIf): string[] {
  const known = (value: number | null, digits: number) => (value === null ? "?" : value.toFixed(digits));
  const recorded = record.domains.map(({ domain, vcpus, online, ...seen }) => [
    domain,
    online === vcpus ? `${vcpus}` : `${online} of ${vcpus}`,
    known(seen.runPcpus, 2),
    known(seen.waitPcpus, 2),
    known(seen.switchesPerVcpu, 0),
    known(seen.dispatchesPerVcpu, 0),
    known(seen.interruptsPerVcpu, 0),
    known(percent(seen.spinningPart), 0),
    known(percent(seen.inKernelPart), 0),
    known(percent(seen.stackingPart), 0),
  ]);
  const answers = policies.flatMap(({ policy, domains }) =>
    domains.map(({ domain, vcpus, throughput, pcpus, waitShare }, i) => [
      i === 0 ? policy : "",
      domain,
      `${vcpus}`,
      shown(throughput),
      shown(pcpus),
      shown({ value: 100 * waitShare.value, ci95: both(waitShare.ci95, (x) => 100 * x) }, 0),
    ]),
  );
  return [
    `Recorded: ${record.seconds.toFixed(0)} s of ${record.journalSeconds.toFixed(0)} s on ${record.pcpus} pCPUs (${record.source})${record.underVbal ? ", under vbal" : ""}`,
    "",
    ...table([RECORDED, ...recorded]),
    "Switches, dispatches and interrupts are per vCPU; interrupts are those that vCPUs sent each other; spinning is of looks at them on a pCPU;",
    "kernel is of their running time; stacked, how far they were kept from running together (docs/tuning.md).",
    "",
    "Predicted: the median of the models that fit, each domain's own, and where 95 % of them are; throughput 1 is as recorded.",
    "",
    ...table([["policy", "domain", "vCPUs", "throughput", "pCPUs", "wait %"], ...answers]),
    "",
    `Models: ${models.tried} tried, ${models.close} behave as the record does, ${models.used} used. How their threads meet:`,
    ...Object.entries(models.meetings).map(
      ([domain, counts]) =>
        `  ${domain}: ${Object.entries(counts)
          .map(([meeting, count]) => `${meeting} ${count}`)
          .join(", ")}`,
    ),
    "",
    "Assumptions",
    ...[...assumptions, ...gaps].map((text) => `- ${text}`),
    "",
    summary,
  ];
}

const RECORDED = [
  "domain",
  "vCPUs",
  "pCPUs run",
  "vCPUs waiting",
  "switches/s",
  "dispatches/s",
  "interrupts/s",
  "spinning %",
  "kernel %",
  "stacked %",
];

function percent(part: number | null): number | null {
  return part === null ? null : 100 * part;
}

function shown({ value, ci95 }: Predicted, digits = 2): string {
  if (Number.isNaN(value)) return "?";
  return `${value.toFixed(digits)} [${ci95.map((end) => end.toFixed(digits)).join(", ")}]`;
}

function both(ends: Predicted["ci95"], of: (end: number) => number): Predicted["ci95"] {
  return [of(ends[0]), of(ends[1])];
}

function table(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join("  ")
      .trimEnd(),
  );
}
