/** The simulated host as plain data: what is there, and how each guest behaves. */
import type { BalloonMechanism, Pcpu } from "../../core/model.ts";
import type { DomainId, Milliseconds, Nanoseconds, PcpuId, VcpuIndex } from "../../core/units.ts";

export interface World {
  readonly pcpus: Pcpu[];
  readonly domains: Map<DomainId, SimulatedDomain>;
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
  readonly vcpus: SimulatedVcpu[];
  /** As asked for; where it may really run is `effectivePins`. */
  emulatorPins: readonly PcpuId[];
  readonly guest: SimulatedGuest;
}

export interface SimulatedVcpu {
  readonly index: VcpuIndex;
  /** As asked for; where it may really run is `effectivePins`. */
  pins: readonly PcpuId[];
  run: Nanoseconds;
  wait: Nanoseconds;
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
}

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
}

export function newDomain(spec: SimulatedDomainSpec, world: World): SimulatedDomain {
  const everywhere = world.pcpus.map((pcpu) => pcpu.id);
  const indices = Array.from({ length: spec.vcpus ?? 2 }, (_, index) => index);
  return {
    id: spec.id,
    life: world.arrivals,
    boot: 1,
    state: "running",
    vcpus: indices.map((index) => newVcpu(index, everywhere)),
    emulatorPins: everywhere,
    guest: {
      mechanisms: spec.mechanisms ?? ["offline", "isolate"],
      behaviour: spec.guest ?? "obedient",
      booted: (spec.bootMs ?? 0) === 0,
      bootMs: spec.bootMs ?? 0,
      online: new Set(indices),
      busyThreads: spec.busyThreads ?? indices.length,
      lastCommand: 0,
    },
  };
}

/** A fresh vCPU thread: free to run everywhere (pitfall 23). */
export function newVcpu(index: VcpuIndex, pins: readonly PcpuId[]): SimulatedVcpu {
  return { index, pins, run: 0, wait: 0, lastPcpu: null, lastRan: -1 };
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
