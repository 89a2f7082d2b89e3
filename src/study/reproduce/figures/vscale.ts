/**
 * vScale's micro-facts (EuroSys'16), held out: one guest of 4 vCPUs among desktops of 2, on a pool of 12 logical cores
 * with two vCPUs per pCPU on average, under Xen's credit. Ours: how a desktop's load comes and goes (bursts of 300 ms,
 * half of the time), and that spin-barrier stands for programs that spin, compute for those that do not synchronise.
 */
import { DEFAULT_COSTS, VSCALE_PERIOD } from "../../../sim/machine/constants.ts";
import { bars } from "../../plot/bars.ts";
import { type Estimate, mapped, meanEstimate, pairedRatio } from "../../statistics/estimate.ts";
import { type Cell, cell, type WrittenWorld } from "../cell.ts";
import type { Finding } from "../claim.ts";
import type { Group } from "../collect.ts";
import type { Experiment } from "../experiment.ts";
import { type Setting, UNTIL_MAX, workload } from "../platforms.ts";
import { paired, reduction } from "../reductions.ts";
import type { Results } from "../results.ts";

const VCPUS = 4;
const DESKTOPS = 10;
const POOL: WrittenWorld = { pcpus: 12, nodes: 2, threadsPerCore: 2 };
const PROGRAMS = ["spin-barrier", "compute", "dedup", "streamcluster", "swaptions"] as const;
/** The guest has a third of the vCPUs of the main runs; so much less work takes as long. */
const SHARE = 1 / 3;

export const vscale: Experiment = {
  figure: "vscale",
  title: "Held out: vScale",
  text: "A guest of 4 vCPUs beside ten desktops that come and go. Programs that spin at barriers gain most when the guest has no more vCPUs than it can keep running; those that do not synchronise gain nothing.",
  groups: (setting) => [
    ...PROGRAMS.map(
      (program): Group => ({
        cells: [besideDesktops(setting, program, false), besideDesktops(setting, program, true)],
        pairs: [[idOf(program, true), idOf(program, false)]],
      }),
    ),
    { cells: [apache(setting, false), apache(setting, true), frozen(setting)], pairs: [] },
  ],
  show: (results) => ({ found: findings(results), plots: [picture(results)] }),
};

function idOf(program: string, isScaled: boolean): string {
  return `vscale/${program}/${isScaled ? "vscale" : "credit"}`;
}

const desktop: WrittenWorld = {
  tasks: [
    {
      count: 2,
      program: [
        { do: "sleep", time: { low: "0ms", high: "600ms" } },
        {
          do: "repeat",
          body: [
            { do: "compute", time: { mean: "300ms", cv: 0.5 } },
            { do: "sleep", time: { mean: "300ms", cv: 0.5 } },
          ],
        },
      ],
    },
  ],
};

function among(id: string, isScaled: boolean, guest: WrittenWorld, until: unknown): Cell {
  return cell(id, {
    machine: POOL,
    // Weights per domain came with vScale: a frozen vCPU must not cost its guest a share.
    host: {
      scheduler: isScaled ? { kind: "credit", weightPer: "domain" } : "credit",
      pauseLoopExits: true,
    },
    ...(isScaled ? { controller: "vscale" } : {}),
    until,
    domains: [
      { name: "vm1", vcpus: VCPUS, weight: 512, ...guest },
      ...Array.from({ length: DESKTOPS }, (_, d) => ({
        name: `desktop${d}`,
        vcpus: 2,
        weight: 256,
        workload: desktop,
      })),
    ].map((domain) => (isScaled ? domain : { ...domain, weight: 256 })),
  });
}

function besideDesktops(setting: Setting, program: string, isScaled: boolean): Cell {
  return among(
    idOf(program, isScaled),
    isScaled,
    { workload: workload(setting, program, { share: SHARE }) },
    { at: UNTIL_MAX, finished: ["vm1"] },
  );
}

function apache(setting: Setting, isScaled: boolean): Cell {
  const asked = { ...setting.calibration.set["apache"], requests: 7_000 };
  return among(idOf("apache", isScaled), isScaled, { workload: { name: "apache", set: asked } }, "4s");
}

/** HZ of the guest that V-V9 was published of. */
const TICKS_PER_SECOND = 1_000;

/** One vCPU of a kernel build is taken away for the whole run; the published guest ticked a thousand times a second. */
function frozen(setting: Setting): Cell {
  return cell(idOf("frozen", true), {
    machine: { pcpus: VCPUS },
    host: { scheduler: "credit" },
    controller: {
      kind: "script",
      changes: [{ at: 0, domain: "vm1", online: VCPUS - 1, mechanism: "isolate" }],
    },
    until: "4s",
    domains: [
      {
        name: "vm1",
        vcpus: VCPUS,
        timerTicks: TICKS_PER_SECOND,
        workload: workload({ ...setting, scale: 1 }, "kernel-build"),
      },
    ],
  });
}

function findings(results: Results): Record<string, Finding> {
  const gain = (program: string): Finding =>
    paired(reduction(results, idOf(program, false), idOf(program, true)));
  const perVcpu = (program: string): Estimate => {
    const ipis = results.column(idOf(program, false), "counts.ipis");
    const time = results.column(idOf(program, false), "endedAtNs");
    return meanEstimate(ipis.map((count, r) => (count / VCPUS / time[r]!) * 1e9));
  };
  const waiting = (isScaled: boolean): number[] =>
    results.column(idOf("spin-barrier", isScaled), "domains.vm1.waitingNs").map((ns) => Math.max(1, ns));
  const replies = (isScaled: boolean): number[] =>
    results.column(idOf("apache", isScaled), "domains.vm1.marks");
  const idle = meanEstimate(
    results.column(idOf("frozen", true), "domains.vm1.vcpuRunningNsMin").map((ns) => ns / 4 / 1e6),
  );
  const frozenTicks = results.column(idOf("frozen", true), "domains.vm1.vcpuTicksMin");
  const frozenFor = results.column(idOf("frozen", true), "endedAtNs");
  const ticks = meanEstimate(frozenTicks.map((count, r) => (count / frozenFor[r]!) * 1e9));
  const ipiNote = "interrupts of the whole world, the desktops send next to none";
  return {
    "V-V9": { estimate: ticks },
    "V-V10": { estimate: idle },
    "V-V11.spin": gain("spin-barrier"),
    "V-V12": gain("spin-barrier"),
    "V-V13": gain("compute"),
    "V-V14": { estimate: mapped(pairedRatio(waiting(true), waiting(false)), (ratio) => 100 * (1 - ratio)) },
    "V-V15.dedup": gain("dedup"),
    "V-V15.streamcluster": gain("streamcluster"),
    "V-V15.swaptions": gain("swaptions"),
    "V-V17": { estimate: perVcpu("dedup"), note: ipiNote },
    "V-V18": { estimate: perVcpu("streamcluster"), note: ipiNote },
    "V-V21": { estimate: pairedRatio(replies(true), replies(false)) },
    "V-V3": { estimate: { value: DEFAULT_COSTS.balloonIsolate / 1e3 }, note: "the cost balloonIsolate" },
    "V-V6": { estimate: { value: DEFAULT_COSTS.balloonStock / 1e6 }, note: "the cost balloonStock" },
    "V-V23": { estimate: { value: VSCALE_PERIOD / 1e6 }, note: "the controller's period" },
  };
}

function picture(results: Results) {
  return bars({
    name: "vscale",
    title: "A guest of 4 vCPUs among desktops",
    axis: "normalised time, credit = 1",
    groups: PROGRAMS,
    series: ["vScale"],
    reference: 1,
    bars: PROGRAMS.map((program) => ({
      group: program,
      series: "vScale",
      estimate: pairedRatio(results.times(idOf(program, true)), results.times(idOf(program, false))),
      ...(program === "spin-barrier" ? { published: 0.27 } : {}),
    })),
  });
}
