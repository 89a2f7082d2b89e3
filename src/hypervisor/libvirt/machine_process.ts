/**
 * The QEMU process of a domain of libvirt's on this machine. libvirt has no call that tells it, and its own records are
 * private; but it starts every QEMU with the domain's UUID on the command line, and with threads that bear names.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { PcpuId, VcpuIndex } from "../../core/units.ts";
import { linuxAffinity } from "../linux/affinity.ts";
import {
  lastPcpuOf,
  type ThreadState,
  threadState,
  threadsOf,
  type WatchedThread,
  watchThread,
} from "../linux/threads.ts";
import type { VcpuUsage } from "../port.ts";

export interface MachineProcess {
  readonly pid: number;
  /** In clock ticks since boot; with the pid it names a process for ever. */
  readonly startTime: string;
}

/** The newest process with this UUID, or `null`: an old one may be on its way out. */
export function findMachineProcess(uuid: string): MachineProcess | null {
  let newest: MachineProcess | null = null;
  for (const entry of readdirSync("/proc")) {
    if (!/^\d+$/.test(entry) || !hasUuid(entry, uuid)) continue;
    const pid = Number(entry);
    const state = threadState(pid, pid);
    if (state === null || /[ZX]/.test(state.letter)) continue;
    if (newest === null || Number(newest.startTime) <= Number(state.startTime))
      newest = { pid, startTime: state.startTime };
  }
  return newest;
}

/** A QEMU process with its threads, read anew at each question. Everything is `null`, or empty, once it has ended. */
export interface Machine {
  /** `null` for a process that ended, or whose number now belongs to another. */
  state(): ThreadState | null;
  /** Since the threads were told apart last, which is also done by each other question about vCPUs. */
  threadsChanged(): boolean;
  vcpuThread(index: VcpuIndex): number | null;
  /** Those that run no vCPU and that the kernel lets us pin. */
  otherThreads(): readonly number[];
  vcpuPins(index: VcpuIndex): readonly PcpuId[] | null;
  /** Where at least one of the other threads may run. */
  otherPins(): readonly PcpuId[] | null;
  vcpuUsage(index: VcpuIndex): Pick<VcpuUsage, "run" | "wait" | "dispatches" | "lastPcpu">;
  close(): void;
}

export function openMachine({ pid, startTime }: MachineProcess): Machine {
  const itself = watchThread(pid, pid);
  let threads: readonly number[] = [];
  let vcpus = new Map<VcpuIndex, WatchedVcpu>();
  let others: readonly number[] = [];

  /** Tells the threads apart again if others are there. */
  function look(): void {
    const now = threadsOf(pid);
    if (String(now) === String(threads)) return;
    const named = now.map((thread) => ({ thread, vcpu: vcpuOf(pid, thread) }));
    const before = vcpus;
    vcpus = new Map(
      named.flatMap(({ thread, vcpu }) => {
        if (vcpu === null) return [];
        const old = before.get(vcpu);
        return [[vcpu, old?.thread === thread ? old : { thread, watched: watchThread(pid, thread) }]];
      }),
    );
    for (const old of before.values()) if (![...vcpus.values()].includes(old)) old.watched.close();
    others = named
      .filter(({ thread, vcpu }) => vcpu === null && threadState(pid, thread)?.pinnable === true)
      .map(({ thread }) => thread);
    threads = now;
  }

  return {
    state() {
      const state = itself.state();
      return state !== null && state.startTime === startTime && !/[ZX]/.test(state.letter) ? state : null;
    },
    threadsChanged: () => String(threadsOf(pid)) !== String(threads),
    vcpuThread(index) {
      look();
      return vcpus.get(index)?.thread ?? null;
    },
    otherThreads() {
      look();
      return others;
    },
    vcpuPins(index) {
      look();
      const vcpu = vcpus.get(index);
      return vcpu === undefined ? null : linuxAffinity.get(vcpu.thread);
    },
    otherPins() {
      look();
      const pins = others.map((thread) => linuxAffinity.get(thread)).filter((one) => one !== null);
      return pins.length === 0 ? null : [...new Set(pins.flat())].sort((a, b) => a - b);
    },
    vcpuUsage(index) {
      look();
      const vcpu = vcpus.get(index);
      const times = vcpu?.watched.times() ?? null;
      return {
        run: times?.run ?? null,
        wait: times?.wait ?? null,
        dispatches: times?.dispatches ?? null,
        lastPcpu: vcpu === undefined ? null : lastPcpuOf(vcpu.watched, linuxAffinity.get(vcpu.thread)),
      };
    },
    close() {
      itself.close();
      for (const { watched } of vcpus.values()) watched.close();
      vcpus = new Map();
      threads = [];
    },
  };
}

interface WatchedVcpu {
  readonly thread: number;
  readonly watched: WatchedThread;
}

/** Which vCPU a thread runs, by its name: libvirt has QEMU name them ("CPU 0/KVM"). */
function vcpuOf(pid: number, thread: number): VcpuIndex | null {
  const index = /^CPU (\d+)\//.exec(read(`/proc/${pid}/task/${thread}/comm`) ?? "")?.[1];
  return index === undefined ? null : Number(index);
}

function hasUuid(pid: string, uuid: string): boolean {
  const words = (read(`/proc/${pid}/cmdline`) ?? "").split("\0");
  const at = words.indexOf("-uuid");
  return at !== -1 && words[at + 1] === uuid;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null;
  }
}
