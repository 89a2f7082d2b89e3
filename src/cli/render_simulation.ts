/** The replications of a scenario as a text: what ran, and for each domain what it got done and what held it up. */
import type { RunRow } from "../sim/output/run_row.ts";
import type { Scenario } from "../sim/scenario/scenario.ts";
import { type Column, renderTable } from "./columns.ts";
import type { Style } from "./style.ts";

export function renderSimulation(
  { name, why, config }: Scenario,
  rows: readonly RunRow[],
  { width, style }: { readonly width: number; readonly style: Style },
): string[] {
  const first = rows[0]!;
  const runs = rows.length === 1 ? "1 run" : `${rows.length} runs`;
  const unit = style.unicode ? "±" : "+-";
  const domains = Object.keys(first.domains).map((domain) => {
    const each = rows.map((row) => row.domains[domain]!);
    const share = (of: (row: (typeof each)[number]) => number): string =>
      percent(
        mean(each.map((row) => of(row) / Math.max(1, sum(Object.values(row.causesNs)) - row.causesNs.off))),
      );
    const finished = each.flatMap(({ finishedAtNs }) =>
      finishedAtNs === null ? [] : [finishedAtNs / NS_PER_MS],
    );
    return [
      domain,
      each[0]!.workload,
      finished.length === each.length ? spread(finished, unit) : "-",
      spread(
        each.map(({ marksPerSecond }) => marksPerSecond),
        unit,
      ),
      share(({ causesNs }) => causesNs.user),
      share(({ causesNs }) => causesNs.kernel),
      share(({ causesNs }) => sum(SPINS.map((cause) => causesNs[cause]))),
      share(({ causesNs }) => causesNs.steal + causesNs["co-stopped"] + causesNs.parked),
      share(({ causesNs }) => causesNs.queued + causesNs.blocked + causesNs.sleeping),
    ].map((text) => ({ text }));
  });
  const { pcpus } = first;
  const time = mean(rows.map(({ endedAtNs }) => endedAtNs));
  const used = mean(rows.map((row) => row.pcpus.runNs / (row.pcpus.count * row.endedAtNs)));
  return [
    style.title(name),
    why,
    "",
    ...renderTable({ columns: COLUMNS, rows: domains, width, titleLook: style.faint }),
    "",
    [
      `${first.policy} on ${pcpus.count} pCPUs, ${percent(used)} in use`,
      `${runs} of ${number(time / NS_PER_MS)} ms, seed ${config.seed}, config ${first.configHash}`,
    ].join("; "),
    `Digest${rows.length === 1 ? "" : " of the first run"} ${first.digest}, ${first.events} events`,
  ];
}

const NS_PER_MS = 1_000_000;
const SPINS = [
  "spin",
  "spin-holder-preempted",
  "spin-waiter-preempted",
  "spin-barrier",
  "spin-ipi",
  "spin-ipi-preempted",
] as const;

/** The shares are of the threads' time: computing, spinning, waiting for a pCPU, waiting in the guest. */
const COLUMNS: readonly Column[] = [
  { title: "domain", align: "left", shrinkTo: 8 },
  { title: "workload", align: "left", shrinkTo: 8 },
  { title: "finished ms", align: "right" },
  { title: "marks/s", align: "right" },
  { title: "user", align: "right" },
  { title: "kernel", align: "right" },
  { title: "spin", align: "right" },
  { title: "no pCPU", align: "right" },
  { title: "waits", align: "right", dropRank: 1 },
];

/** Mean and standard error; of one value, itself. */
function spread(values: readonly number[], plusMinus: string): string {
  const middle = mean(values);
  if (values.length < 2) return number(middle);
  const variance = sum(values.map((value) => (value - middle) ** 2)) / (values.length - 1);
  return `${number(middle)} ${plusMinus} ${number(Math.sqrt(variance / values.length))}`;
}

function mean(values: readonly number[]): number {
  return sum(values) / values.length;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(1)}%`;
}

function number(value: number): string {
  return value >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}
