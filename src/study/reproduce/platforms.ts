/** The paper's two hosts (B-35): twelve cores on two sockets, under Xen 4.1's credit and under CFS of Linux 3.2. */
import type { Calibration } from "../calibrate/calibration.ts";
import { type Cell, cell, type WrittenWorld } from "./cell.ts";

export const PLATFORMS = ["xen", "kvm"] as const;
export type Platform = (typeof PLATFORMS)[number];

export const PARSEC = ["canneal", "dedup", "swaptions", "streamcluster"] as const;
export const PHOENIX = ["histogram", "wordcount"] as const;
export const PROGRAMS = [...PARSEC, ...PHOENIX] as const;
export type Program = (typeof PROGRAMS)[number];

/** The paper's three configurations (B-39..B-41), and one VM alone. */
export const POLICIES = ["plain", "affinity", "vcpu-bal"] as const;
export type Policy = (typeof POLICIES)[number];

export const PCPUS = 12;
/** Xen and KVM of that time both left a spinning HVM guest's pause loop to the hypervisor. */
export const HOST: Readonly<Record<Platform, WrittenWorld>> = {
  xen: { scheduler: "credit", pauseLoopExits: true },
  kvm: { scheduler: "cfs", pauseLoopExits: true },
};
export const MACHINE: WrittenWorld = { pcpus: PCPUS, nodes: 2 };
/** What the paper calls the plain scheduler. */
export const PLAIN_NAME: Readonly<Record<Platform, string>> = { xen: "credit", kvm: "CFS" };

/** Far above what any run takes; one that gets there has no execution time and fails its claim. */
export const UNTIL_MAX = "600s";

export interface Setting {
  readonly calibration: Calibration;
  /** The amount of work, in parts of a library workload's own. */
  readonly scale: number;
  /** Replications of what is not compared pair by pair. */
  readonly pilot: number;
}

export function workload(
  { calibration, scale }: Setting,
  program: string,
  more: { readonly threads?: number; readonly share?: number } = {},
): WrittenWorld {
  const { threads, share = 1 } = more;
  return {
    name: program,
    scale: scale * share,
    set: calibration.set[program] ?? {},
    ...(threads === undefined ? {} : { threads }),
  };
}

export function idOf(program: Program, platform: Platform, policy: Policy): string {
  return `${program}/${platform}/${policy}`;
}

/**
 * What a host does besides: its control domain (or its daemons) wakes now and then on every pCPU. Without it all pCPUs of a
 * symmetric host switch guests in the same instant for ever, which is a gang by accident: no vCPU is ever preempted alone.
 * Chosen: 100 us in 10 ms on average, a hundredth of each pCPU. Left out where a controller would count it as a guest.
 */
export function background(pcpus: number): WrittenWorld {
  const wake = [
    { do: "sleep", time: { mean: "10ms", cv: 1 } },
    { do: "compute", time: { mean: "100us", cv: 1 } },
  ];
  return {
    name: "background",
    vcpus: pcpus,
    pins: Array.from({ length: pcpus }, (_, p) => [p]),
    workload: { tasks: [{ count: pcpus, program: [{ do: "repeat", body: wake }] }] },
  };
}

/** Two equal VMs with the same program; the second starts it anew until the first is done. */
export function twoVms(setting: Setting, program: Program, platform: Platform, policy: Policy): Cell {
  const vcpus = policy === "vcpu-bal" ? PCPUS / 2 : PCPUS;
  const pins = (first: number): WrittenWorld =>
    policy === "plain" ? {} : { pins: Array.from({ length: vcpus }, (_, v) => [first + v]) };
  const vm = (name: string, first: number): WrittenWorld => ({
    name,
    vcpus,
    ...pins(first),
    workload: workload(setting, program),
  });
  return cell(idOf(program, platform, policy), {
    machine: MACHINE,
    host: HOST[platform],
    until: { at: UNTIL_MAX, finished: ["vm1"] },
    domains: [
      vm("vm1", 0),
      // Pinned apart under VCPU-Bal; under affinity, the vCPUs of one number share a pCPU.
      { ...vm("vm2", policy === "vcpu-bal" ? vcpus : 0), restart: true },
      background(PCPUS),
    ],
  });
}

export function aloneId(program: Program, platform: Platform, vcpus: number): string {
  return `${program}/${platform}/alone-${vcpus}`;
}

/** One VM that has the host to itself. */
export function alone(setting: Setting, program: Program, platform: Platform, vcpus: number): Cell {
  return cell(aloneId(program, platform, vcpus), {
    machine: MACHINE,
    host: HOST[platform],
    until: { at: UNTIL_MAX, finished: ["vm1"] },
    domains: [{ name: "vm1", vcpus, workload: workload(setting, program) }, background(PCPUS)],
  });
}
