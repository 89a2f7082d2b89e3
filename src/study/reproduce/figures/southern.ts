/**
 * Southern's comparison (S-1..S-7): Xen's independent scheduling of vCPUs against ESX's co-scheduling, for programs that
 * do not synchronise and for threads that do; and dynamic allocation of vCPUs on Xen. Published are directions only
 * (V-C6, V-C7). Ours: two VMs of 4 vCPUs on 4 pCPUs; `compute` stands for copies of gobmk, `spin-barrier` for ammp.
 */
import { bars } from "../../plot/bars.ts";
import { type Estimate, mapped, meanEstimate, pairedRatio } from "../../statistics/estimate.ts";
import { type Cell, cell } from "../cell.ts";
import type { Finding } from "../claim.ts";
import type { Group } from "../collect.ts";
import type { Experiment } from "../experiment.ts";
import { background, type Setting, UNTIL_MAX, workload } from "../platforms.ts";
import type { Results } from "../results.ts";

const SCHEDULERS = {
  credit: { host: { scheduler: "credit" } },
  "strict co": { host: { scheduler: "strict-co" } },
  "relaxed co": { host: { scheduler: "relaxed-co" } },
  balance: { host: { scheduler: { kind: "cfs", balance: "siblings-apart" } } },
  "dynamic allocation": { host: { scheduler: "credit" }, controller: "dynamic-allocation" },
} as const;
type Scheduler = keyof typeof SCHEDULERS;
const ALL = Object.keys(SCHEDULERS) as Scheduler[];
const KINDS = { independent: "compute", synchronised: "spin-barrier" } as const;
type Kind = keyof typeof KINDS;
const ODD = 3;
const EVEN = 4;

export const southern: Experiment = {
  figure: "southern",
  title: "Southern: Xen against ESX",
  text: "The loss of two equal VMs against half of the machine each: none for independent programs; for threads that meet at barriers it depends on whether siblings run together. The last bar allocates vCPUs dynamically, by a rule of ours, since the thesis' own could not be read.",
  groups: (setting) =>
    (Object.keys(KINDS) as Kind[]).map(
      (kind): Group => ({
        cells: [
          ...ALL.map((scheduler) => worldOf(setting, kind, scheduler, 2, EVEN)),
          worldOf(setting, kind, "credit", 1, EVEN),
          worldOf(setting, kind, "relaxed co", 1, EVEN),
          ...(["strict co", "relaxed co"] as const).map((scheduler) =>
            worldOf(setting, kind, scheduler, 2, ODD),
          ),
        ],
        pairs: ALL.map(
          (scheduler) => [idOf(kind, scheduler, 2, EVEN), idOf(kind, "credit", 1, EVEN)] as const,
        ),
      }),
    ),
  show: (results) => ({ found: findings(results), plots: [picture(results)] }),
};

function idOf(kind: Kind, scheduler: Scheduler, vms: number, vcpus: number): string {
  return `southern/${kind}/${scheduler}/${vms}x${vcpus}`;
}

function worldOf(setting: Setting, kind: Kind, scheduler: Scheduler, vms: number, vcpus: number): Cell {
  const vm = { vcpus, workload: workload(setting, KINDS[kind], { share: 1 / 4 }) };
  return cell(idOf(kind, scheduler, vms, vcpus), {
    machine: { pcpus: 4 },
    ...SCHEDULERS[scheduler],
    until: { at: UNTIL_MAX, finished: ["vm1"] },
    domains: [
      { name: "vm1", ...vm },
      ...(vms === 2 ? [{ name: "vm2", ...vm, restart: true }] : []),
      background(4),
    ],
  });
}

/** Percent of half a machine's work that is lost. */
function loss(results: Results, kind: Kind, scheduler: Scheduler): Estimate {
  const ratio = pairedRatio(
    results.times(idOf(kind, "credit", 1, EVEN)),
    results.times(idOf(kind, scheduler, 2, EVEN)),
  );
  return mapped(ratio, (part) => 100 * (1 - 2 * part));
}

function findings(results: Results): Record<string, Finding> {
  const apart = (scheduler: Scheduler): Estimate =>
    difference(loss(results, "synchronised", scheduler), loss(results, "independent", scheduler));
  const odd = pairedRatio(
    results.times(idOf("synchronised", "strict co", 2, ODD)),
    results.times(idOf("synchronised", "relaxed co", 2, ODD)),
  );
  const dynamic = pairedRatio(
    results.times(idOf("synchronised", "dynamic allocation", 2, EVEN)),
    results.times(idOf("synchronised", "credit", 2, EVEN)),
  );
  const balance = pairedRatio(
    results.times(idOf("synchronised", "balance", 2, EVEN)),
    results.times(idOf("synchronised", "strict co", 2, EVEN)),
  );
  const alone = idOf("independent", "relaxed co", 1, EVEN);
  const stopped = results.column(alone, "domains.vm1.causesNs.co-stopped");
  const ended = results.column(alone, "endedAtNs");
  return {
    "S-2": { estimate: loss(results, "independent", "credit") },
    "S-3": { estimate: loss(results, "synchronised", "credit") },
    "S-4": { estimate: apart("relaxed co") },
    "S-4.more": { estimate: difference(apart("credit"), apart("relaxed co")) },
    "S-5": { estimate: mapped(odd, (ratio) => 100 * (ratio - 1)) },
    "S-6": { estimate: mapped(dynamic, (ratio) => 100 * (1 - ratio)) },
    "V-C1": { estimate: mapped(balance, (ratio) => 100 * (1 - ratio)) },
    "V-C8": { estimate: meanEstimate(stopped.map((ns, r) => (100 * ns) / ended[r]! / EVEN)) },
  };
}

/** Of independent estimates: errors add in squares. */
function difference(a: Estimate, b: Estimate): Estimate {
  const value = a.value - b.value;
  const half = Math.hypot((a.ci95[1] - a.ci95[0]) / 2, (b.ci95[1] - b.ci95[0]) / 2);
  return { value, ci95: [value - half, value + half], n: Math.min(a.n, b.n) };
}

function picture(results: Results) {
  const kinds = Object.keys(KINDS) as Kind[];
  return bars({
    name: "southern",
    title: "Two VMs on half of the machine each",
    axis: "work, half a machine alone = 1",
    groups: kinds,
    series: ALL,
    reference: 1,
    bars: kinds.flatMap((kind) =>
      ALL.map((scheduler) => ({
        group: kind,
        series: scheduler,
        estimate: mapped(loss(results, kind, scheduler), (percent) => 1 - percent / 100),
      })),
    ),
  });
}
