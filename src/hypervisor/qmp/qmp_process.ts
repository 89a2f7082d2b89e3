/** What is known of one running QEMU, and what /proc adds to it at each look. */
import type { DomainSnapshot, Vcpu } from "../../core/model.ts";
import type { DomainId, PcpuId, VcpuIndex } from "../../core/units.ts";
import type { GuestChannel, GuestWord, VcpuRunTime } from "../guest/guest_channel.ts";
import { linuxAffinity } from "../linux/affinity.ts";
import {
  lastPcpuOf,
  type ThreadState,
  type ThreadTimes,
  type WatchedThread,
  watchThread,
} from "../linux/threads.ts";
import type { DomainFinding, DomainLoad, DomainUsage, VcpuUsage } from "../port.ts";
import type { GuestMemory } from "./guest_memory.ts";
import { inGuest } from "./node_numbers.ts";
import type { CpuInfo } from "./qmp_commands.ts";
import type { LookableVcpu } from "./spin_looks.ts";
import type { VcpuFacts } from "./vcpu_facts.ts";
import { numberVcpus, type VcpuNumbers } from "./vcpu_numbers.ts";
import { placeOf } from "./vcpu_slots.ts";

export interface QmpProcess {
  readonly id: DomainId;
  readonly pid: number;
  readonly startTime: string;
  /** As the monitor said last. */
  vcpus: VcpuFacts;
  /** Of the guest's present boot. */
  numbers: VcpuNumbers;
  /** What was made of `vcpus`, `numbers` and the guest's word at the last look; they mostly are the same at the next. */
  numbered: Numbered | null;
  /** With QEMU's nodes. */
  memory: readonly GuestMemory[];
  /** All that there were when `vcpus` was read, ascending. */
  threads: readonly number[];
  /** Those of them that the kernel will not let us pin. */
  readonly unpinnable: Set<number>;
  /** Its first thread, whose number is the process's. */
  readonly itself: WatchedThread;
  /** As it was found last. */
  state: ThreadState;
  /** Of the vCPUs' threads at the last look, by thread. */
  times: VcpuTimes;
  /** The vCPUs' threads with their open files, by thread. */
  readonly watched: Map<number, WatchedThread>;
  running: boolean;
  /** Its vCPUs must stay as they are. */
  migrating: boolean;
  stale: boolean;
}

export type VcpuTimes = ReadonlyMap<number, ThreadTimes | null>;

export interface DomainObservation {
  readonly snapshot: DomainSnapshot;
  readonly usage: DomainUsage;
  readonly preflight: readonly DomainFinding[];
  readonly load: DomainLoad | null;
}

/** Everything that /proc and the kept answers say of a live process; the guest is told how long its vCPUs have run. */
export function look(
  known: QmpProcess,
  channels: readonly GuestChannel[],
  spinning: number | null,
): DomainObservation {
  const { freeSlots, nodes } = known.vcpus;
  const word = wordOf(channels);
  const cpus = cpusByNumber(known, word);
  const vcpus = cpus.map(([index, cpu]) => vcpuOf(known, cpu, index));
  const usage = cpus.map(([, cpu], i) => usageOf(known, cpu, { vcpu: vcpus[i]!, word }));
  const runTimes = usage.flatMap(({ index, run }): VcpuRunTime[] =>
    run === null ? [] : [{ vcpu: index, runNs: run }],
  );
  for (const channel of channels) channel.runTimes(runTimes);
  const load = channels.map((channel) => channel.load()).find((one) => one !== null) ?? null;
  return {
    snapshot: {
      id: known.id,
      incarnation: `${known.pid}@${known.startTime}`,
      state: runs(known, known.state) ? "running" : "paused",
      vcpus,
      ...(typeof freeSlots === "string"
        ? {}
        : { freeSlots: freeSlots.map(({ slot }) => inGuest(nodes, slot)) }),
      ...(known.memory.length === 0 ? {} : { memory: memoryInGuest(known) }),
      emulatorPins: unionOf(emulatorThreadsOf(known).map((thread) => linuxAffinity.get(thread))),
      guest: word?.report ?? null,
    },
    usage: {
      domain: known.id,
      vcpus: usage,
      interruptsPerSecond: word?.interruptsPerSecond ?? null,
      switchesPerSecond: word?.switchesPerSecond ?? null,
      inKernel: word?.inKernel ?? null,
      spinning,
    },
    preflight: (word?.preflight ?? []).map((finding) => ({ domain: known.id, ...finding })),
    load: load === null ? null : { domain: known.id, ...load },
  };
}

export function wordOf(channels: readonly GuestChannel[]): GuestWord | null {
  return channels.map((channel) => channel.word()).find((said) => said !== null) ?? null;
}

/** The vCPUs with the guest's numbers, ascending; keeps what was learnt from its word. */
export function cpusByNumber(known: QmpProcess, word: GuestWord | null): NumberedCpus {
  const { numbered, vcpus } = known;
  const isSame = numbered?.vcpus === vcpus && numbered.numbers === known.numbers && numbered.word === word;
  if (isSame) return numbered.cpus;
  known.numbers = numberVcpus({
    cpus: vcpus.cpus,
    before: known.numbers,
    told: word?.uids ?? new Map<VcpuIndex, number>(),
  });
  const cpus = vcpus.cpus
    .map((cpu) => [known.numbers.get(cpu["cpu-index"])!, cpu] as const)
    .sort(([a], [b]) => a - b);
  known.numbered = { vcpus, numbers: known.numbers, word, cpus };
  return cpus;
}

/** The vCPUs that the guest uses, all without its word; `null` while it runs none, or they may have changed. */
export function vcpusInUse(
  known: QmpProcess,
  channels: readonly GuestChannel[],
): readonly LookableVcpu[] | null {
  if (!runs(known, known.state) || known.stale) return null;
  const word = wordOf(channels);
  const unused = new Set(word?.report.vcpus.flatMap(({ index, online }) => (online ? [] : [index])));
  return cpusByNumber(known, word).flatMap(([index, cpu]): LookableVcpu[] =>
    unused.has(index)
      ? []
      : [
          {
            cpu: cpu["cpu-index"],
            // Opens no files: those of a process that ended stay closed.
            dispatches: () => known.watched.get(cpu["thread-id"])?.times()?.dispatches ?? null,
          },
        ],
  );
}

type NumberedCpus = readonly (readonly [VcpuIndex, CpuInfo])[];

interface Numbered {
  readonly vcpus: VcpuFacts;
  readonly numbers: VcpuNumbers;
  readonly word: GuestWord | null;
  readonly cpus: NumberedCpus;
}

/**
 * Reads the vCPUs' times, and the state of the process where these do not show it: one of which a vCPU has run since the last look
 * is neither dead nor stopped, or was not a moment ago. False when it has ended.
 */
export function lookAtProcess(known: QmpProcess): boolean {
  const before = known.times;
  known.times = new Map(
    known.vcpus.cpus.map(
      ({ "thread-id": thread }) => [thread, watchedThread(known, thread).times()] as const,
    ),
  );
  const hasRun = [...known.times].some(([thread, times]) => {
    const runBefore = before.get(thread)?.run;
    return times !== null && runBefore !== undefined && runBefore < times.run;
  });
  if (hasRun && !isStopped(known.state)) return true;
  const state = aliveState(known);
  if (state === null) return false;
  known.state = state;
  return true;
}

/** `null` for a process that ended, or whose number now belongs to another. */
export function aliveState(known: QmpProcess): ThreadState | null {
  const state = known.itself.state();
  return state !== null && state.startTime === known.startTime && !/[ZX]/.test(state.letter) ? state : null;
}

/**
 * A process stopped by a signal runs no guest, whatever QMP said last. A guest that is being migrated may run, and
 * counts as paused: it is asked nothing.
 */
export function runs(known: QmpProcess, state: ThreadState | null): boolean {
  return known.running && !known.migrating && state !== null && !isStopped(state);
}

function isStopped({ letter }: ThreadState): boolean {
  return letter === "T" || letter === "t";
}

export function emulatorThreadsOf(known: QmpProcess): number[] {
  const vcpus = new Set(known.vcpus.cpus.map((cpu) => cpu["thread-id"]));
  return known.threads.filter((thread) => !vcpus.has(thread) && !known.unpinnable.has(thread));
}

export function sharesThreads(known: QmpProcess): boolean {
  return new Set(known.vcpus.cpus.map((cpu) => cpu["thread-id"])).size < known.vcpus.cpus.length;
}

/** Closes the files of the threads that are no vCPUs (any more). */
export function unwatch(known: QmpProcess, cpus: readonly CpuInfo[]): void {
  for (const [thread, watched] of known.watched) {
    if (cpus.some((cpu) => cpu["thread-id"] === thread)) continue;
    watched.close();
    known.watched.delete(thread);
  }
}

function memoryInGuest({ memory, vcpus }: QmpProcess): readonly GuestMemory[] {
  return memory.map((each) => inGuest(vcpus.nodes, each)).sort((a, b) => a.guestNode - b.guestNode);
}

function vcpuOf(known: QmpProcess, cpu: CpuInfo, index: VcpuIndex): Vcpu {
  const path = cpu["qom-path"];
  return {
    index,
    pins: linuxAffinity.get(cpu["thread-id"]),
    ...inGuest(known.vcpus.nodes, placeOf(cpu.props, cpu["cpu-index"])),
    ...(path !== undefined && known.vcpus.hotplugged.has(path) ? { removable: true } : {}),
  };
}

function usageOf(
  known: QmpProcess,
  cpu: CpuInfo,
  { vcpu, word }: { readonly vcpu: Vcpu; readonly word: GuestWord | null },
): VcpuUsage {
  const thread = watchedThread(known, cpu["thread-id"]);
  const times = known.times.get(cpu["thread-id"]);
  return {
    index: vcpu.index,
    run: times?.run ?? null,
    wait: times?.wait ?? null,
    dispatches: times?.dispatches ?? null,
    steal: word?.steal.get(vcpu.index) ?? null,
    lastPcpu: lastPcpuOf(thread, vcpu.pins),
  };
}

function watchedThread(known: QmpProcess, thread: number): WatchedThread {
  let watched = known.watched.get(thread);
  if (watched === undefined) {
    watched = watchThread(known.pid, thread);
    known.watched.set(thread, watched);
  }
  return watched;
}

/** Where at least one of the threads may run; `null` when none of them could be read. */
function unionOf(pins: readonly (readonly PcpuId[] | null)[]): PcpuId[] | null {
  const read = pins.filter((one) => one !== null);
  return read.length === 0 ? null : [...new Set(read.flat())].sort((a, b) => a - b);
}
