/** What is known of one running domain, and what /proc adds to it at each look. */
import type { DomainSnapshot, VcpuSlot } from "../../core/model.ts";
import type { PcpuId, VcpuIndex } from "../../core/units.ts";
import type { GuestChannel, GuestWord, VcpuRunTime } from "../guest/guest_channel.ts";
import type { DefinedDomain, DomainFinding, DomainLoad, DomainUsage, VcpuUsage } from "../port.ts";
import { numberVcpus, type VcpuNumbers } from "../qmp/vcpu_numbers.ts";
import { type Ceiling, cpusetCeiling } from "./cpuset_ceiling.ts";
import type { DefinedPolicy } from "./domain_policy.ts";
import type { DomainKey, DomainState } from "./libvirt_calls.ts";
import type { DomainStats } from "./libvirt_library.ts";
import type { DefinedVcpu, LiveDefinition } from "./live_definition.ts";
import type { Machine } from "./machine_process.ts";
import { namespaceOf } from "./xml.ts";

export interface KnownDomain {
  readonly key: DomainKey;
  readonly incarnation: string;
  /** Its process, where that is on this machine. */
  readonly machine: Machine | null;
  /** Of the guest's present boot, by libvirt's numbers. */
  numbers: VcpuNumbers;
  /** As libvirt said last, all below. */
  definition: LiveDefinition;
  policy: DefinedPolicy;
  state: DomainState;
  /** Other than 0: it is being moved, saved, dumped or snapshotted. */
  job: number;
  /** By libvirt's numbers. */
  believedPins: readonly (readonly PcpuId[])[];
  believedEmulatorPins: readonly PcpuId[];
  /** What the kernel said of the vCPUs that it places otherwise than libvirt believes, both asked at the same time. */
  disagreeing: ReadonlyMap<VcpuIndex, readonly PcpuId[]>;
  /** In the order in which they should be filled. */
  freeSlots: readonly DefinedVcpu[];
  stale: boolean;
  /** The last pin that a cpuset of somebody else's stood in the way of, or `null`. */
  fight: string | null;
}

export interface DomainObservation {
  readonly snapshot: DomainSnapshot;
  /** Without times where only libvirt could tell them. */
  readonly usage: DomainUsage;
  readonly key: DomainKey;
  /** libvirt's numbers of its vCPUs, in the order of `usage`. */
  readonly places: readonly number[];
  readonly preflight: readonly DomainFinding[];
  readonly load: DomainLoad | null;
  readonly defined: DefinedDomain;
}

/** Numbers of virDomainState in which the guest's vCPUs run. */
const RUNS = new Set([1, 2]);

/**
 * A QEMU that emulates (seen with 7.2) dies of a vCPU that is plugged after another one was taken out. So that no daemon
 * forgets it, an element of this namespace stands in the live definition once vbal has asked for a vCPU back.
 */
export const UNPLUGGED_NAMESPACE = "urn:vbal:unplugged";

/** Everything that is known; the guest is told how long its vCPUs have run. */
export function look(known: KnownDomain, channels: readonly GuestChannel[]): DomainObservation {
  const { definition, machine } = known;
  const id = definition.name;
  const word = wordOf(channels);
  const vcpus = vcpusByNumber(known, channels);
  const usage = vcpus.map(
    ([index, vcpu]): VcpuUsage => ({
      index,
      ...(machine?.vcpuUsage(vcpu.index) ?? { run: null, wait: null, dispatches: null, lastPcpu: null }),
      steal: word?.steal.get(index) ?? null,
    }),
  );
  const runTimes = usage.flatMap(({ index, run }): VcpuRunTime[] =>
    run === null ? [] : [{ vcpu: index, runNs: run }],
  );
  for (const channel of channels) channel.runTimes(runTimes);
  const load = channels.map((channel) => channel.load()).find((one) => one !== null) ?? null;
  return {
    snapshot: {
      id,
      incarnation: known.incarnation,
      state: runs(known) ? "running" : "paused",
      vcpus: vcpus.map(([index, vcpu]) => ({
        index,
        pins: pinsOf(known, vcpu.index),
        ...slotOf(vcpu),
        ...(vcpu.removable ? { removable: true } : {}),
      })),
      ...(known.freeSlots.length === 0 ? {} : { freeSlots: known.freeSlots.map(slotOf) }),
      ...(definition.memory.length === 0 ? {} : { memory: definition.memory }),
      emulatorPins: machine === null ? known.believedEmulatorPins : machine.otherPins(),
      guest: word?.report ?? null,
    },
    usage: {
      domain: id,
      vcpus: usage,
      interruptsPerSecond: word?.interruptsPerSecond ?? null,
      switchesPerSecond: word?.switchesPerSecond ?? null,
      inKernel: word?.inKernel ?? null,
      // QEMU's monitor is libvirt's own; who asks it through libvirt taints the domain.
      spinning: null,
    },
    key: known.key,
    places: vcpus.map(([, vcpu]) => vcpu.index),
    preflight: (word?.preflight ?? []).map((finding) => ({ domain: id, ...finding })),
    load: load === null ? null : { domain: id, ...load },
    defined: { domain: id, fields: known.policy.fields },
  };
}

/** The vCPUs that QEMU has, with the guest's numbers, ascending; keeps what was learnt from its word. */
export function vcpusByNumber(
  known: KnownDomain,
  channels: readonly GuestChannel[],
): readonly (readonly [VcpuIndex, DefinedVcpu])[] {
  const { definition, machine } = known;
  const plugged = definition.vcpus
    .filter((vcpu) => vcpu.plugged && (machine === null || machine.vcpuThread(vcpu.index) !== null))
    .sort((a, b) => a.order - b.order || a.index - b.index);
  known.numbers = numberVcpus({
    cpus: plugged.map(({ index }) => ({ "cpu-index": index })),
    before: known.numbers,
    told: wordOf(channels)?.uids ?? new Map<VcpuIndex, number>(),
  });
  return plugged.map((vcpu) => [known.numbers.get(vcpu.index)!, vcpu] as const).sort(([a], [b]) => a - b);
}

/** Where the guest boots next, the firmware lists its places in ascending order. */
export function forgetNumbers(known: KnownDomain): void {
  const cpus = known.definition.vcpus
    .filter(({ plugged }) => plugged)
    .map(({ index }) => ({ "cpu-index": index }));
  known.numbers = numberVcpus({ cpus, before: new Map(), told: new Map() });
}

/** Places for further vCPUs that libvirt would plug now. */
export function freeSlotsOf({ vcpus, metadata, isEmulated }: LiveDefinition): DefinedVcpu[] {
  const isWorn = isEmulated && metadata.some((element) => namespaceOf(element) === UNPLUGGED_NAMESPACE);
  return isWorn ? [] : vcpus.filter(({ plugged }) => !plugged);
}

/** A process stopped by a signal runs no guest, whatever libvirt said; nor is one touched that is being moved or saved. */
export function runs({ state, job, machine }: KnownDomain): boolean {
  return RUNS.has(state.state) && job === 0 && !/[Tt]/.test(machine?.state()?.letter ?? "");
}

export function pinsOf({ machine, believedPins }: KnownDomain, index: VcpuIndex): readonly PcpuId[] | null {
  return machine === null ? (believedPins[index] ?? null) : machine.vcpuPins(index);
}

/**
 * The vCPUs that the kernel places otherwise than libvirt believes: those that it placed so before and after libvirt was
 * asked, for a pin that is under way changes first the one and then the other.
 */
export function disagreements(
  believed: readonly (readonly PcpuId[])[],
  before: readonly (readonly PcpuId[] | null)[],
  after: readonly (readonly PcpuId[] | null)[],
): ReadonlyMap<VcpuIndex, readonly PcpuId[]> {
  const found = new Map<VcpuIndex, readonly PcpuId[]>();
  for (const [index, pins] of believed.entries()) {
    const real = after[index] ?? null;
    if (real === null || String(real) === String(pins) || String(real) !== String(before[index])) continue;
    found.set(index, real);
  }
  return found;
}

/** What in the world does not fit together, each a sentence with advice. */
export function contradictionsOf(known: KnownDomain): string[] {
  const { definition, machine, policy, job } = known;
  const problems = [...policy.problems];
  if (known.fight !== null) problems.push(known.fight);
  if (job !== 0) {
    problems.push(
      `${definition.name} is being migrated, saved, dumped or snapshotted: vbal leaves it alone until that is over`,
    );
  }
  if (machine === null) return problems;
  for (const { index, plugged } of definition.vcpus) {
    if (!plugged) continue;
    const thread = machine.vcpuThread(index);
    if (thread === null) {
      problems.push(
        `libvirt still lists vCPU ${index} of ${definition.name}, which its QEMU has let go of without saying so; restarting libvirtd puts that right`,
      );
      continue;
    }
    const real = known.disagreeing.get(index);
    if (real !== undefined && String(machine.vcpuPins(index)) === String(real)) {
      const believed = known.believedPins[index] ?? [];
      // A cpuset narrows every pin that is wider; that is the administrator's word, and nobody is fighting.
      if (String(leftOf(believed, cpusetCeiling(thread))) === String(real)) continue;
      problems.push(
        `libvirt believes that vCPU ${index} of ${definition.name} may run on pCPUs ${believed.join(",")}, the kernel says ${real.join(",")}: somebody pins it behind libvirt's back (taskset, numad, a cpuset); stop that, or opt the domain out with managed: false`,
      );
    }
  }
  return problems;
}

/** What a cpuset leaves of pins. */
function leftOf(pins: readonly PcpuId[], ceiling: Ceiling | null): readonly PcpuId[] {
  return ceiling === null ? pins : pins.filter((pcpu) => ceiling.pcpus.includes(pcpu));
}

/** The usage with the times that libvirt tells, for a domain whose threads are on another machine. */
export function withStats(
  { usage, places, key }: DomainObservation,
  stats: readonly DomainStats[],
): DomainUsage {
  const values = stats.find(({ uuid, id }) => uuid === key.uuid && id === key.id)?.values;
  if (values === undefined) return usage;
  const vcpus = usage.vcpus.map((vcpu, at) => ({
    ...vcpu,
    run: values[`vcpu.${places[at]}.time`] ?? null,
    // "delay" is the time in which it was runnable and not run; "wait" is the one in which it waited for I/O.
    wait: values[`vcpu.${places[at]}.delay`] ?? null,
  }));
  return { ...usage, vcpus };
}

function wordOf(channels: readonly GuestChannel[]): GuestWord | null {
  return channels.map((channel) => channel.word()).find((said) => said !== null) ?? null;
}

function slotOf({ guestSocket, guestCore, guestThread, guestNode }: DefinedVcpu): VcpuSlot {
  return { guestSocket, guestCore, guestThread, guestNode };
}
