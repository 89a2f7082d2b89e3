/** Single mechanisms against published factors (validation plan, V3) and against native measurements of Linux. */
import { DEFAULT_COSTS } from "../../../sim/machine/constants.ts";
import { bars } from "../../plot/bars.ts";
import { geometricEstimate, mapped, mean, meanEstimate, pairedRatio } from "../../statistics/estimate.ts";
import { type Cell, cell, type WrittenWorld } from "../cell.ts";
import type { Finding } from "../claim.ts";
import type { Experiment } from "../experiment.ts";
import { background, MACHINE, PCPUS, type Setting, UNTIL_MAX, workload } from "../platforms.ts";
import type { Results } from "../results.ts";

const KINDS = ["test-and-set", "ticket", "paravirtual"] as const;
type Kind = (typeof KINDS)[number];

export const micro: Experiment = {
  figure: "micro",
  title: "Single mechanisms",
  text: "Barriers that spin, three kinds of spinlock in two VMs of 12 vCPUs on 12 pCPUs without pause-loop exits, and what a TLB shootdown takes on 16 cores.",
  groups: (setting) => [
    { cells: [spin(setting, 2), spin(setting, 1)], pairs: [] },
    { cells: [...KINDS.map((kind) => locks(setting, kind, 2)), locks(setting, "ticket", 1)], pairs: [] },
    { cells: [shootdown(false), shootdown(true)], pairs: [] },
  ],
  show: (results) => ({ found: findings(results), plots: [picture(results)] }),
};

const SPIN = { 1: "micro/spin/alone", 2: "micro/spin/two" } as const;

/** Alone on half of the machine: 6 vCPUs on 6 pCPUs do the same work. */
function spin(setting: Setting, vms: 1 | 2): Cell {
  const vcpus = vms === 2 ? PCPUS : PCPUS / 2;
  const vm = { vcpus, workload: workload(setting, "spin-barrier", { share: 1 / 4 }) };
  return cell(SPIN[vms], {
    machine: vms === 2 ? MACHINE : { pcpus: PCPUS / 2 },
    host: { scheduler: "credit" },
    until: { at: UNTIL_MAX, finished: ["vm1"] },
    domains: [
      { name: "vm1", ...vm },
      ...(vms === 2 ? [{ name: "vm2", ...vm, restart: true }] : []),
      background(vms === 2 ? PCPUS : PCPUS / 2),
    ],
  });
}

function lockId(kind: Kind, vms: number): string {
  return `micro/lock/${kind}/${vms}`;
}

/** A short section under one lock after every 90 us, as the library's `spinlock`, with any kind of lock. */
function locks({ scale }: Setting, kind: Kind, vms: 1 | 2): Cell {
  const program: WrittenWorld[] = [
    {
      do: "repeat",
      times: Math.round(4_000 * scale),
      body: [
        { do: "compute", time: { mean: "90us", cv: 1 } },
        { do: "lock", lock: "l" },
        { do: "compute", time: { mean: "2us", cv: 1 }, mode: "kernel" },
        { do: "unlock", lock: "l" },
        { do: "mark" },
      ],
    },
  ];
  const vm = { vcpus: PCPUS, workload: { locks: { l: { kind } }, tasks: [{ count: PCPUS, program }] } };
  return cell(lockId(kind, vms), {
    machine: MACHINE,
    host: { scheduler: "credit" },
    until: { at: UNTIL_MAX, finished: ["vm1"] },
    domains: [
      { name: "vm1", ...vm },
      ...(vms === 2 ? [{ name: "vm2", ...vm, restart: true }] : []),
      background(PCPUS),
    ],
  });
}

const PAUSE_US = 100;
const CORES = 16;

function shootdownId(isUnmap: boolean): string {
  return isUnmap ? "micro/munmap" : "micro/shootdown";
}

/** One task computes 100 us and shoots down, again and again, while fifteen siblings compute. */
function shootdown(isUnmap: boolean): Cell {
  const pause = { do: "compute", time: { mean: `${PAUSE_US}us`, cv: 0 } };
  const unmap = isUnmap ? [{ do: "compute", time: "2400ns", mode: "kernel" }] : [];
  return cell(shootdownId(isUnmap), {
    machine: { pcpus: CORES, nodes: 2 },
    host: { scheduler: "credit" },
    until: "1s",
    domains: [
      {
        name: "vm1",
        vcpus: CORES,
        workload: {
          tasks: [
            {
              count: 1,
              program: [{ do: "repeat", body: [pause, ...unmap, { do: "shootdown" }, { do: "mark" }] }],
            },
            { count: CORES - 1, program: [{ do: "repeat", body: [{ do: "compute", time: "1ms" }] }] },
          ],
        },
      },
    ],
  });
}

function findings(results: Results): Record<string, Finding> {
  const two = (kind: Kind): number[] => results.times(lockId(kind, 2));
  // Half of a machine takes twice the time of a whole one; what exceeds it is the loss.
  const fair = results.times(lockId("ticket", 1)).map((ns) => 2 * ns);
  const lossOf = (kind: Kind): number[] => two(kind).map((ns, r) => ns - fair[r]!);
  const ticketLoss = mean(lossOf("ticket"));
  const recovered = lossOf("paravirtual").map((ns) => 100 * (1 - ns / ticketLoss));
  const worse = pairedRatio(two("ticket"), two("test-and-set"));
  const took = (isUnmap: boolean) =>
    meanEstimate(
      results
        .column(shootdownId(isUnmap), "domains.vm1.marksPerSecond")
        .map((perSecond) => 1e6 / perSecond - PAUSE_US),
    );
  const { ipiSend, ipiReceive, pauseLoopWindow } = DEFAULT_COSTS;
  return {
    "V3-spin": { estimate: pairedRatio(results.times(SPIN[2]), results.times(SPIN[1])) },
    "V3-ticket": { estimate: mapped(worse, (ratio) => 100 * (ratio - 1)) },
    "V3-ple": { estimate: meanEstimate(recovered) },
    "V-K1": { estimate: took(false) },
    "V-K4": { estimate: took(true) },
    "V-K3": { estimate: { value: (ipiSend + ipiReceive) / 1e3 }, note: "the costs ipiSend and ipiReceive" },
    "V-K7": { estimate: { value: pauseLoopWindow / 1e3 }, note: "the cost pauseLoopWindow" },
  };
}

function picture(results: Results) {
  const alone = geometricEstimate(results.times(lockId("ticket", 1))).value;
  return bars({
    name: "micro-locks",
    title: "Three kinds of spinlock, two VMs",
    axis: "time, alone = 1 (log)",
    groups: KINDS.map((kind) => kind),
    series: ["plain"],
    isLog: true,
    reference: 2,
    bars: KINDS.map((kind) => ({
      group: kind,
      series: "plain",
      estimate: mapped(geometricEstimate(results.times(lockId(kind, 2))), (ns) => ns / alone),
    })),
  });
}
