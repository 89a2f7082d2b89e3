/** The simulated host as plain data: what is there, and how each guest behaves. */
import type { BalloonMechanism, Pcpu, VcpuSlot } from "../../core/model.ts";
import type { Answer } from "../../core/request.ts";
import type { DomainId, Milliseconds, Nanoseconds, PcpuId, VcpuIndex } from "../../core/units.ts";
import type { MeasureReport, ThresholdInForce } from "../../protocol/guest_messages.ts";
import type { MonitorSettings } from "../port.ts";

export interface World {
  readonly pcpus: Pcpu[];
  readonly domains: Map<DomainId, SimulatedDomain>;
  /** By name, for guests that are there and for those that come. */
  readonly monitors: Map<DomainId, MonitorSettings>;
  /** How many domains have come so far, those that came again among them. */
  arrivals: number;
}

export interface SimulatedDomain {
  readonly id: DomainId;
  /** Differs from that of every other domain that came, and stays when the guest boots anew. */
  readonly life: number;
  /** Grows by one with each reset: what an earlier boot had begun is void. */
  boot: number;
  state: "running" | "paused";
  /** Ordered by index. */
  readonly vcpus: SimulatedVcpu[];
  /** Every place for a vCPU, filled or free; `null` for a domain into which none can be plugged. */
  readonly slots: readonly VcpuSlot[] | null;
  hotplug: HotplugBehaviour;
  /** It was asked to let this vCPU go and has not answered. */
  leaving: SimulatedVcpu | null;
  /** As asked for; where it may really run is `effectivePins`. */
  emulatorPins: readonly PcpuId[];
  readonly guest: SimulatedGuest;
}

export interface SimulatedVcpu {
  /** The guest's number: in the order in which it met them, and by place after a reset. */
  index: VcpuIndex;
  readonly slot: VcpuSlot;
  readonly removable: boolean;
  /** As asked for; where it may really run is `effectivePins`. */
  pins: readonly PcpuId[];
  run: Nanoseconds;
  wait: Nanoseconds;
  dispatches: number;
  lastPcpu: PcpuId | null;
  /** The quantum in which it last ran: those that waited longest run first. */
  lastRan: number;
}

export interface SimulatedGuest {
  readonly mechanisms: readonly BalloonMechanism[];
  behaviour: GuestBehaviour;
  /** Until its boot is over, a guest is silent and all its vCPUs are online. */
  booted: boolean;
  readonly bootMs: Milliseconds;
  /** In use by the guest; always holds 0. */
  online: Set<VcpuIndex>;
  /** How many of its vCPUs have something to run. */
  busyThreads: number;
  /** Grows with each command: a newer one ends what an older one had not finished. */
  lastCommand: number;
  /** It can watch its own load and ask for vCPUs. */
  readonly hasMonitor: boolean;
  /** What its load monitor says, while it is on. */
  measures: readonly MeasureReport[];
  /** Its own thresholds, below those of the host. */
  thresholds: readonly ThresholdInForce[];
  /** What it was told, in order. */
  readonly answers: { readonly request: string; readonly answer: Answer }[];
}

/**
 * How a guest's kernel takes a vCPU that is plugged, or asked back.
 * - `obedient`: within `HOTPLUG_MS`.
 * - `slow`: after `HOTPLUG_SLOW_MS` (pitfall 7: perhaps after the deadline).
 * - `refusing`: says no.
 * - `stuck`: says nothing, until it is `obedient` again; then it does what it was asked (pitfall 1).
 */
export type HotplugBehaviour = "obedient" | "slow" | "refusing" | "stuck";

/** As measured: the kernel takes and gives a vCPU within some tens of milliseconds. */
export const HOTPLUG_MS = 40;
export const HOTPLUG_SLOW_MS = 8_000;

/**
 * How a guest takes a command.
 * - `obedient`: does it within `REACTION_MS` and confirms.
 * - `slow`: one vCPU per `SLOW_STEP_MS`, and confirms when done (pitfall 7: perhaps after the deadline).
 * - `stuck`: goes on reporting, but neither moves nor answers.
 * - `refusing`: answers no.
 * - `silent`: has no agent, or one that died.
 * - `flapping`: obeys, and `FLAP_AFTER_MS` later something in it brings every vCPU back (pitfall 5).
 */
export type GuestBehaviour = "obedient" | "slow" | "stuck" | "refusing" | "silent" | "flapping";

/** As measured for a vCPU going offline under emulation: tens of milliseconds. */
export const REACTION_MS = 30;
/** Slower than the daemon's default period, so that a change spans several observations. */
export const SLOW_STEP_MS = 1_500;
/** Long enough for the daemon to have believed in the confirmation. */
export const FLAP_AFTER_MS = 3_000;

/** What `arrive` needs to know; everything but the name has a default. */
export interface SimulatedDomainSpec {
  readonly id: DomainId;
  /** 2 where not given. */
  readonly vcpus?: number;
  /** `obedient` where not given. */
  readonly guest?: GuestBehaviour;
  /** Both where not given. */
  readonly mechanisms?: readonly BalloonMechanism[];
  /** 0 where not given. */
  readonly bootMs?: Milliseconds;
  /** As many as it has vCPUs where not given. */
  readonly busyThreads?: number;
  /** vCPUs can be plugged up to so many; none can where not given. */
  readonly vcpusMax?: number;
  /** Its places are dealt to so many nodes, a socket each; 1 where not given. The vCPUs at boot fill the first. */
  readonly nodes?: number;
  /** `false` where not given. */
  readonly hasMonitor?: boolean;
}

export function newDomain(spec: SimulatedDomainSpec, world: World): SimulatedDomain {
  const everywhere = world.pcpus.map((pcpu) => pcpu.id);
  const indices = Array.from({ length: spec.vcpus ?? 2 }, (_, index) => index);
  const { vcpusMax = indices.length, nodes = 1 } = spec;
  const slots = slotsOf(Math.max(vcpusMax, indices.length), nodes);
  return {
    id: spec.id,
    life: world.arrivals,
    boot: 1,
    state: "running",
    vcpus: indices.map((index) => newVcpu({ index, slot: slots[index]!, removable: false }, everywhere)),
    slots: spec.vcpusMax === undefined ? null : slots,
    hotplug: "obedient",
    leaving: null,
    emulatorPins: everywhere,
    guest: {
      mechanisms: spec.mechanisms ?? ["offline", "isolate"],
      behaviour: spec.guest ?? "obedient",
      booted: (spec.bootMs ?? 0) === 0,
      bootMs: spec.bootMs ?? 0,
      online: new Set(indices),
      busyThreads: spec.busyThreads ?? indices.length,
      lastCommand: 0,
      hasMonitor: spec.hasMonitor ?? false,
      measures: [],
      thresholds: [],
      answers: [],
    },
  };
}

/** A socket per node, and as many cores in each as it takes. */
function slotsOf(count: number, nodes: number): VcpuSlot[] {
  const each = Math.ceil(count / nodes);
  return Array.from({ length: count }, (_, at) => {
    const node = Math.floor(at / each);
    return { guestSocket: node, guestCore: at % each, guestThread: 0, guestNode: node };
  });
}

/** A fresh vCPU thread: free to run everywhere (pitfall 23). */
export function newVcpu(
  vcpu: Pick<SimulatedVcpu, "index" | "slot" | "removable">,
  pins: readonly PcpuId[],
): SimulatedVcpu {
  return { ...vcpu, pins, run: 0, wait: 0, dispatches: 0, lastPcpu: null, lastRan: -1 };
}

export function vcpuOf(domain: SimulatedDomain, index: VcpuIndex): SimulatedVcpu | undefined {
  return domain.vcpus.find((vcpu) => vcpu.index === index);
}

/** One socket, one last-level cache, one node, no siblings. */
export function flatPcpus(count: number): Pcpu[] {
  return Array.from({ length: count }, (_, id) => ({ id, core: id, llc: 0, node: 0, online: true }));
}

/** Where a thread with these pins may run now. Like Linux, a thread left with no pCPU may run on all. */
export function effectivePins(world: World, pins: readonly PcpuId[]): readonly PcpuId[] {
  const online = world.pcpus.filter((pcpu) => pcpu.online).map((pcpu) => pcpu.id);
  const left = online.filter((id) => pins.includes(id));
  return left.length > 0 ? left : online;
}

/** A guest that says nothing: the snapshot shows `null` for it. */
export function isSilent(guest: SimulatedGuest): boolean {
  return !guest.booted || guest.behaviour === "silent";
}
