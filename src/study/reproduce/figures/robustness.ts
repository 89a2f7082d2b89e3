/**
 * Ablations and tie salts (validation plan, V4): take the cause away and the effect must go; put simultaneous events
 * into another order and nothing must change. An effect that stays is there for the wrong reason.
 */
import { mapped, meanEstimate, pairedRatio } from "../../statistics/estimate.ts";
import { type Cell, cell, type WrittenWorld } from "../cell.ts";
import type { Finding } from "../claim.ts";
import type { Experiment } from "../experiment.ts";
import { background, HOST, MACHINE, PCPUS, type Setting, UNTIL_MAX, workload } from "../platforms.ts";
import { paired, reduction } from "../reductions.ts";
import type { Results } from "../results.ts";

const SALTS = [0, 1, 2, 3] as const;
const SALTED = ["swaptions", "streamcluster", "histogram"] as const;
const NO_REFILLS = { costs: { cacheRefillSamePcpu: 0, cacheRefillSameLlc: 0, cacheRefillOtherLlc: 0 } };
const PREEMPTED = ["spin-holder-preempted", "spin-waiter-preempted"];

export const robustness: Experiment = {
  figure: "robustness",
  title: "Ablations and tie salts",
  text: "Each row takes one cause away and asks what is left of the effect; the last three permute the order of simultaneous events. Xen's credit, two VMs.",
  groups: (setting) => [
    {
      cells: [...pinned(setting), ...lockWorlds(setting), ...shootdowns(setting), ...refills(setting)],
      pairs: [],
    },
    { cells: SALTED.flatMap((program) => SALTS.map((salt) => salted(setting, program, salt))), pairs: [] },
  ],
  show: (results) => ({ found: { ...ablations(results), ...ties(results) }, plots: [] }),
};

interface Pair {
  readonly vcpus: number;
  readonly workload: unknown;
  /** By VM: vCPU k on pCPU first + k. */
  readonly firsts?: readonly [number, number];
  readonly vms?: 1 | 2;
  readonly world?: WrittenWorld;
}

function world(id: string, { vcpus, workload: program, firsts, vms = 2, world: more = {} }: Pair): Cell {
  const vm = (v: 0 | 1) => ({
    name: `vm${v + 1}`,
    vcpus,
    workload: program,
    ...(firsts === undefined ? {} : { pins: Array.from({ length: vcpus }, (_, k) => [firsts[v] + k]) }),
  });
  return cell(`robustness/${id}`, {
    machine: MACHINE,
    host: HOST.xen,
    until: { at: UNTIL_MAX, finished: ["vm1"] },
    ...more,
    domains: [vm(0), ...(vms === 1 ? [] : [{ ...vm(1), restart: true }]), background(PCPUS)],
  });
}

function pinned(setting: Setting): Cell[] {
  const pair = { vcpus: PCPUS / 2, workload: workload(setting, "streamcluster") };
  return [world("free", pair), world("pinned", { ...pair, firsts: [0, PCPUS / 2] })];
}

/** Without pause-loop exits, so that nothing else helps. */
const PLAIN_XEN = { host: { scheduler: "credit" } };

function lockWorlds({ scale }: Setting): Cell[] {
  const with_ = (kind: string, held: string): Pair => ({
    vcpus: PCPUS,
    workload: { locks: { l: { kind } }, tasks: [{ count: PCPUS, program: locking(scale, held) }] },
    world: PLAIN_XEN,
  });
  const halting = { machine: { ...MACHINE, costs: { paravirtualSpin: "1us" } }, ...PLAIN_XEN };
  return [
    world("short-sections", with_("ticket", "50ns")),
    world("mutex", with_("mutex", "2us")),
    world("mutex-alone", { ...with_("mutex", "2us"), vms: 1 }),
    world("halting", { ...with_("paravirtual", "2us"), world: halting }),
    world("halting-alone", { ...with_("paravirtual", "2us"), world: halting, vms: 1 }),
    world("short-slice", {
      ...with_("ticket", "2us"),
      world: { host: { scheduler: { kind: "credit", slice: "100us" } } },
    }),
  ];
}

function locking(scale: number, held: string): WrittenWorld[] {
  return [
    {
      do: "repeat",
      times: Math.round(4_000 * scale),
      body: [
        { do: "compute", time: { mean: "90us", cv: 1 } },
        { do: "lock", lock: "l" },
        { do: "compute", time: held, mode: "kernel" },
        { do: "unlock", lock: "l" },
      ],
    },
  ];
}

/** Divides by 6 and by 12; with the real 128, 12 threads are not evenly loaded, which is no matter of scheduling. */
const EVEN_SWAPTIONS = 120;

function shootdowns(setting: Setting): Cell[] {
  const set = { ...setting.calibration.set["swaptions"], shootdowns: 0, swaptions: EVEN_SWAPTIONS };
  const program = { name: "swaptions", scale: setting.scale, set };
  return [
    world("no-shootdowns/plain", { vcpus: PCPUS, workload: program }),
    world("no-shootdowns/vcpu-bal", { vcpus: PCPUS / 2, workload: program, firsts: [0, PCPUS / 2] }),
  ];
}

function refills(setting: Setting): Cell[] {
  const pair: Pair = {
    vcpus: PCPUS,
    workload: workload(setting, "streamcluster"),
    world: { machine: { ...MACHINE, ...NO_REFILLS } },
  };
  return [world("no-refills/plain", pair), world("no-refills/affinity", { ...pair, firsts: [0, 0] })];
}

function salted(setting: Setting, program: string, tieSalt: number): Cell {
  const pair = { vcpus: PCPUS, workload: workload(setting, program) };
  return world(`salt/${program}/${tieSalt}`, { ...pair, world: { tieSalt } });
}

function ablations(results: Results): Record<string, Finding> {
  const times = (id: string): number[] => results.times(`robustness/${id}`);
  const beyondFair = (id: string) =>
    mapped(pairedRatio(times(id), times(`${id}-alone`)), (ratio) => 100 * (ratio / 2 - 1));
  const lost = (id: string) => {
    const running = results.column(`robustness/${id}`, "domains.vm1.runningNs");
    const spins = PREEMPTED.map((cause) =>
      results.column(`robustness/${id}`, `domains.vm1.causesNs.${cause}`),
    );
    return meanEstimate(running.map((ns, r) => (100 * spins.reduce((sum, each) => sum + each[r]!, 0)) / ns));
  };
  const free = pairedRatio(times("free"), times("pinned"));
  return {
    "A-overcommit": { estimate: mapped(free, (ratio) => 100 * (ratio - 1)) },
    "A-short-sections": { estimate: lost("short-sections") },
    "A-blocking": { estimate: beyondFair("mutex") },
    "A-paravirtual": { estimate: beyondFair("halting") },
    "A-no-shootdowns": paired(
      reduction(results, "robustness/no-shootdowns/plain", "robustness/no-shootdowns/vcpu-bal"),
    ),
    "A-short-slice": { estimate: lost("short-slice") },
    "A-no-cache-cost": paired(
      reduction(results, "robustness/no-refills/plain", "robustness/no-refills/affinity"),
    ),
  };
}

function ties(results: Results): Record<string, Finding> {
  return Object.fromEntries(
    SALTED.map((program): [string, Finding] => {
      const times = (salt: number): number[] => results.times(`robustness/salt/${program}/${salt}`);
      const moves = SALTS.slice(1).map((salt) => {
        const { value, ci95 } = pairedRatio(times(salt), times(0));
        const half = (Math.log(ci95[1]) - Math.log(ci95[0])) / 2;
        // Orders that change nothing at all have no interval.
        return half === 0 ? 0 : Math.abs(Math.log(value)) / half;
      });
      return [`T-${program}`, { estimate: { value: Math.max(...moves) }, note: `n = ${times(0).length}` }];
    }),
  );
}
