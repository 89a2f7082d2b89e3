/**
 * A host in memory, behind the same port as the real ones: for tests of the daemon, for faults that no real host
 * gives on demand, and for `npm start` on a machine where vbal may not touch the real one. Its time moves only by
 * `advance` (or `runInRealTime`), and it is as exact as a host can be: equal calls give equal observations.
 */
import type { DomainSnapshot, GuestReport, Pcpu } from "../../core/model.ts";
import type { VcpuRequest } from "../../core/request.ts";
import type { DomainId, Milliseconds, PcpuId, VcpuIndex } from "../../core/units.ts";
import type { MeasureReport, ThresholdInForce } from "../../protocol/guest_messages.ts";
import { abortable, createCommandQueue } from "../command_queue.ts";
import {
  CommandError,
  type DomainLoad,
  type Hypervisor,
  type HypervisorChange,
  type MonitorSettings,
  type Observation,
} from "../port.ts";
import type { Timers } from "../timers.ts";
import { createFairSharing } from "./fair_sharing.ts";
import { commandGuest } from "./simulated_guest.ts";
import {
  forgetHotplug,
  freeSlots,
  type HotplugCommand,
  nextNumber,
  plug,
  unplug,
} from "./simulated_hotplug.ts";
import { createVirtualTimers } from "./virtual_timers.ts";
import {
  effectivePins,
  flatPcpus,
  type GuestBehaviour,
  type HotplugBehaviour,
  isSilent,
  newDomain,
  newVcpu,
  type SimulatedDomain,
  type SimulatedDomainSpec,
  type SimulatedGuest,
  vcpuOf,
  type World,
} from "./world.ts";

export interface SimulatedHost {
  /** One door to the host; a second one behaves as a second daemon would. */
  connect(): Hypervisor;
  readonly timers: Timers;
  now(): Milliseconds;
  /** Lets time pass: guests react, counters grow, deadlines fall due. */
  advance(duration: Milliseconds): Promise<void>;

  arrive(spec: SimulatedDomainSpec): void;
  depart(domain: DomainId): void;
  /** The guest boots anew: all vCPUs online, what it was doing forgotten, silent until it is up; pins stay. */
  reset(domain: DomainId): void;
  pause(domain: DomainId): void;
  resume(domain: DomainId): void;
  /** From now on; a command that it is carrying out already is not affected. */
  behave(domain: DomainId, behaviour: GuestBehaviour): void;
  /** Somebody in the guest onlines these vCPUs by hand (pitfall 28). */
  guestOnlines(domain: DomainId, vcpus: readonly VcpuIndex[]): void;
  /** Somebody in the guest offlines these vCPUs by hand; vCPU 0 stays. */
  guestOfflines(domain: DomainId, vcpus: readonly VcpuIndex[]): void;
  /** How many of its vCPUs have something to run from now on. */
  setBusyThreads(domain: DomainId, threads: number): void;
  /** Somebody else hotplugs one more vCPU, free to run everywhere (pitfall 23); the guest does not use it yet. */
  plugVcpu(domain: DomainId): void;
  /** How the guest's kernel takes vCPUs that are plugged and asked back, from now on. */
  behaveAtHotplug(domain: DomainId, behaviour: HotplugBehaviour): void;
  /** The guest asks for a vCPU. */
  ask(request: VcpuRequest): void;
  /** What the guest was told of its requests, in order. */
  answersTo(domain: DomainId): SimulatedGuest["answers"];
  /** What the guest's load monitor says from now on, while it is on. */
  setMeasures(domain: DomainId, measures: readonly MeasureReport[]): void;
  /** The guest's own thresholds from now on; what the host sets lies over them. */
  setOwnThresholds(domain: DomainId, thresholds: readonly ThresholdInForce[]): void;
  pcpuOffline(pcpu: PcpuId): void;
  pcpuOnline(pcpu: PcpuId): void;
  /** Somebody else on the host changes the pins of a vCPU. */
  repinBehindOurBack(domain: DomainId, vcpu: VcpuIndex, pcpus: readonly PcpuId[]): void;
}

/** `pcpus`: a list, or how many of a flat host. */
export function createSimulatedHost(options: { readonly pcpus: number | readonly Pcpu[] }): SimulatedHost {
  const world: World = {
    pcpus: typeof options.pcpus === "number" ? flatPcpus(options.pcpus) : [...options.pcpus],
    domains: new Map(),
    monitors: new Map(),
    arrivals: 0,
  };
  const timers = createVirtualTimers();
  const sharing = createFairSharing(world);
  const doors = new Set<Door>();

  function tell(change: HypervisorChange): void {
    for (const door of doors) door.onChange?.(change);
  }
  function abandon(domain: DomainId, error: CommandError): void {
    for (const door of doors) door.abandon(domain, error);
  }
  function domainOf(id: DomainId): SimulatedDomain {
    const domain = world.domains.get(id);
    if (domain === undefined) throw new Error(`The simulated host has no domain ${id}: arrive it first`);
    return domain;
  }
  function setPcpu(id: PcpuId, online: boolean): void {
    const at = world.pcpus.findIndex((pcpu) => pcpu.id === id);
    const pcpu = world.pcpus[at];
    if (pcpu === undefined) throw new Error(`The simulated host has no pCPU ${id}`);
    world.pcpus[at] = { ...pcpu, online };
    tell({ kind: "host-topology" });
  }
  function startGuest(domain: SimulatedDomain): void {
    const { boot, guest } = domain;
    timers.after(guest.bootMs, () => {
      if (world.domains.get(domain.id) !== domain || domain.boot !== boot) return;
      guest.booted = true;
      tell({ kind: "guest-reported", domain: domain.id });
    });
  }
  function setInUse(domain: SimulatedDomain, online: Iterable<VcpuIndex>): void {
    domain.guest.online = new Set(online);
    tell({ kind: "guest-reported", domain: domain.id });
  }
  function setState(id: DomainId, state: SimulatedDomain["state"]): void {
    domainOf(id).state = state;
    tell({ kind: "domain-state", domain: id });
  }

  return {
    connect() {
      const door = openDoor(world, timers, tell);
      doors.add(door);
      return { ...door.hypervisor, close: async () => void doors.delete(door) };
    },
    timers,
    now: () => timers.now(),
    advance: (duration) => timers.advance(duration, (stretch) => sharing.elapse(stretch)),

    arrive(spec) {
      if (world.domains.has(spec.id)) throw new Error(`The simulated host has a domain ${spec.id} already`);
      world.arrivals += 1;
      const domain = newDomain(spec, world);
      world.domains.set(spec.id, domain);
      startGuest(domain);
      tell({ kind: "domain-arrived", domain: spec.id });
    },
    depart(id) {
      domainOf(id);
      world.domains.delete(id);
      abandon(id, new CommandError("no-such-domain", `Domain ${id} went away during the command`));
      tell({ kind: "domain-departed", domain: id });
    },
    reset(id) {
      const domain = domainOf(id);
      domain.boot += 1;
      forgetHotplug(domain);
      domain.guest.online = new Set(domain.vcpus.map((vcpu) => vcpu.index));
      domain.guest.booted = false;
      abandon(id, new CommandError("connection-lost", `Domain ${id} was reset during the command`));
      startGuest(domain);
      tell({ kind: "domain-reset", domain: id });
    },
    pause: (id) => setState(id, "paused"),
    resume: (id) => setState(id, "running"),
    behave(id, behaviour) {
      domainOf(id).guest.behaviour = behaviour;
      tell({ kind: "guest-reported", domain: id });
    },
    guestOnlines(id, vcpus) {
      const domain = domainOf(id);
      setInUse(domain, [...domain.guest.online, ...vcpus].sort(ascending));
    },
    guestOfflines(id, vcpus) {
      const domain = domainOf(id);
      setInUse(
        domain,
        [...domain.guest.online].filter((vcpu) => vcpu === 0 || !vcpus.includes(vcpu)),
      );
    },
    setBusyThreads(id, threads) {
      domainOf(id).guest.busyThreads = threads;
    },
    plugVcpu(id) {
      const domain = domainOf(id);
      const index = nextNumber(domain);
      const beyond = { guestSocket: 0, guestCore: domain.vcpus.length, guestThread: 0, guestNode: 0 };
      const slot = freeSlots(domain)?.[0] ?? beyond;
      domain.vcpus.push(newVcpu({ index, slot, removable: true }, everywhere(world)));
      tell({ kind: "domain-state", domain: id });
    },
    behaveAtHotplug(id, behaviour) {
      domainOf(id).hotplug = behaviour;
    },
    ask(request) {
      domainOf(request.domain);
      tell({ kind: "guest-asked", request });
    },
    answersTo: (id) => domainOf(id).guest.answers,
    setMeasures(id, measures) {
      domainOf(id).guest.measures = measures;
    },
    setOwnThresholds(id, thresholds) {
      domainOf(id).guest.thresholds = thresholds;
    },
    pcpuOffline: (pcpu) => setPcpu(pcpu, false),
    pcpuOnline: (pcpu) => setPcpu(pcpu, true),
    repinBehindOurBack(id, vcpu, pcpus) {
      const found = vcpuOf(domainOf(id), vcpu);
      if (found === undefined) throw new Error(`Domain ${id} of the simulated host has no vCPU ${vcpu}`);
      found.pins = [...pcpus].sort(ascending);
    },
  };
}

/** One connection to the host. */
interface Door {
  readonly hypervisor: Hypervisor;
  onChange: ((change: HypervisorChange) => void) | null;
  abandon(domain: DomainId, error: CommandError): void;
}

function openDoor(world: World, timers: Timers, tell: (change: HypervisorChange) => void): Door {
  const queue = createCommandQueue(timers);

  function demandDomain(id: DomainId): SimulatedDomain {
    const domain = world.domains.get(id);
    if (domain === undefined) {
      throw new CommandError("no-such-domain", `Domain ${id} is not on this host; observe again`);
    }
    return domain;
  }
  function demandPcpus(pcpus: readonly PcpuId[]): readonly PcpuId[] {
    const online = world.pcpus.filter((pcpu) => pcpu.online).map((pcpu) => pcpu.id);
    const missing = pcpus.filter((pcpu) => !online.includes(pcpu));
    if (pcpus.length === 0 || missing.length > 0) {
      throw new CommandError(
        "no-such-pcpu",
        `Pins must name pCPUs that are online (${online.join(",")}), not ${missing.join(",") || "none at all"}`,
      );
    }
    return [...new Set(pcpus)].sort(ascending);
  }

  function hotplugCommand(domain: SimulatedDomain, signal: AbortSignal): HotplugCommand {
    if (domain.state === "paused") {
      throw new CommandError(
        "paused",
        `Domain ${domain.id} is paused; its guest can take and give no vCPU until resumed`,
      );
    }
    const moved = () => tell({ kind: "domain-state", domain: domain.id });
    return { domain, timers, everywhere: everywhere(world), signal, moved };
  }

  const door: Door = {
    onChange: null,
    abandon: (domain, error) => queue.abandon(domain, error),
    hypervisor: {
      kind: "simulated",
      async start(onChange) {
        door.onChange = onChange;
        for (const id of world.domains.keys()) onChange({ kind: "domain-arrived", domain: id });
      },
      async observe() {
        return observeWorld(world);
      },
      pinVcpu: (id, index, pcpus, deadline) =>
        queue.run({ domain: id, deadline, what: `Pinning vCPU ${index} of ${id}` }, async () => {
          const domain = demandDomain(id);
          const vcpu = vcpuOf(domain, index);
          if (vcpu === undefined) throw noSuchVcpu(domain, [index]);
          vcpu.pins = demandPcpus(pcpus);
        }),
      pinEmulator: (id, pcpus, deadline) =>
        queue.run({ domain: id, deadline, what: `Pinning the emulator of ${id}` }, async () => {
          demandDomain(id).emulatorPins = demandPcpus(pcpus);
        }),
      setOnline: (id, online, mechanism, deadline) => {
        const what = `Asking ${id} to use vCPUs ${online.join(",")}`;
        const late = () => silence(world.domains.get(id), what, deadline);
        return queue.run({ domain: id, deadline, what, late }, async (signal) => {
          const domain = demandDomain(id);
          const unknown = online.filter((index) => vcpuOf(domain, index) === undefined);
          if (unknown.length > 0) throw noSuchVcpu(domain, unknown);
          if (!online.includes(0)) {
            throw new CommandError("not-applied", `vCPU 0 of ${id} is never taken: ask with it in the set`);
          }
          if (domain.state === "paused") {
            throw new CommandError("paused", `Domain ${id} is paused; its guest cannot answer until resumed`);
          }
          const moved = () => tell({ kind: "guest-reported", domain: id });
          return commandGuest({ domain, online, mechanism, timers, signal, moved });
        });
      },
      plugVcpu: (id, slot, deadline) =>
        queue.run({ domain: id, deadline, what: `Plugging a vCPU into ${id}` }, (signal) =>
          abortable(plug(hotplugCommand(demandDomain(id), signal), slot), signal),
        ),
      unplugVcpu: (id, index, deadline) =>
        queue.run({ domain: id, deadline, what: `Unplugging vCPU ${index} of ${id}` }, (signal) =>
          abortable(unplug(hotplugCommand(demandDomain(id), signal), index), signal),
        ),
      answer(id, request, answer) {
        const domain = world.domains.get(id);
        if (domain !== undefined && !isSilent(domain.guest)) domain.guest.answers.push({ request, answer });
      },
      setMonitor(id, settings) {
        if (JSON.stringify(world.monitors.get(id)) === JSON.stringify(settings)) return;
        world.monitors.set(id, settings);
        tell({ kind: "guest-reported", domain: id });
      },
      async close() {
        door.onChange = null;
      },
    },
  };
  return door;
}

function observeWorld(world: World): Observation {
  const domains = [...world.domains.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  return {
    snapshot: {
      pcpus: [...world.pcpus].sort((a, b) => a.id - b.id),
      domains: domains.map((domain) => ({
        id: domain.id,
        incarnation: `life ${domain.life}`,
        state: domain.state,
        vcpus: domain.vcpus.map((vcpu) => ({
          index: vcpu.index,
          pins: effectivePins(world, vcpu.pins),
          ...vcpu.slot,
          ...(vcpu.removable ? { removable: true } : {}),
        })),
        ...placesOf(domain, world),
        emulatorPins: effectivePins(world, domain.emulatorPins),
        guest: reportOf(domain, world),
      })),
    },
    load: domains.flatMap((domain) => loadOf(domain, world)),
    usage: domains.map((domain) => ({
      domain: domain.id,
      vcpus: domain.vcpus.map((vcpu) => ({
        index: vcpu.index,
        run: vcpu.run,
        wait: vcpu.wait,
        dispatches: vcpu.dispatches,
        steal: isSilent(domain.guest) ? null : vcpu.wait,
        lastPcpu: vcpu.lastPcpu,
      })),
      interruptsPerSecond: null,
      switchesPerSecond: null,
      spinning: null,
      inKernel: null,
    })),
    problems: [],
  };
}

/** What a host shows of a domain into which vCPUs can be plugged. */
function placesOf(domain: SimulatedDomain, world: World): Pick<DomainSnapshot, "freeSlots" | "memory"> {
  const free = freeSlots(domain);
  if (free === undefined) return {};
  const hostNodes = [...new Set(world.pcpus.map((pcpu) => pcpu.node))].sort(ascending);
  const guestNodes = [...new Set((domain.slots ?? []).map((slot) => slot.guestNode))];
  const memory = guestNodes.map((guestNode) => ({
    guestNode,
    hostNode: hostNodes[guestNode % hostNodes.length] ?? 0,
  }));
  return { freeSlots: free, memory };
}

/** The settings of its load monitor, if that is at work. */
function monitorOf({ id, guest }: SimulatedDomain, world: World): MonitorSettings | null {
  const settings = world.monitors.get(id);
  return guest.hasMonitor && settings?.on === true && !isSilent(guest) ? settings : null;
}

function loadOf(domain: SimulatedDomain, world: World): DomainLoad[] {
  const settings = monitorOf(domain, world);
  if (settings === null) return [];
  const { measures, thresholds: own } = domain.guest;
  const set = settings.thresholds.map((setting) => ({ ...setting, origin: "host" as const }));
  const left = own.filter(({ measure }) => !set.some((setting) => setting.measure === measure));
  return [{ domain: domain.id, measures, thresholds: [...left, ...set], degraded: [], unknown: [] }];
}

function reportOf(domain: SimulatedDomain, world: World): GuestReport | null {
  const { guest, vcpus } = domain;
  if (isSilent(guest)) return null;
  return {
    agent: "vbal-agent",
    ...(monitorOf(domain, world) === null ? {} : { asks: true }),
    mechanisms: guest.mechanisms,
    vcpus: vcpus.map(({ index }) => ({
      index,
      online: guest.online.has(index),
      canOffline: index !== 0,
    })),
  };
}

function silence(
  domain: SimulatedDomain | undefined,
  what: string,
  deadline: Milliseconds,
): CommandError | null {
  if (domain === undefined || !isSilent(domain.guest)) return null;
  return new CommandError(
    "guest-silent",
    `${what}: its guest said nothing for ${deadline} ms; start its agent`,
  );
}

function noSuchVcpu(domain: SimulatedDomain, indices: readonly VcpuIndex[]): CommandError {
  return new CommandError(
    "no-such-vcpu",
    `Domain ${domain.id} has vCPUs ${domain.vcpus.map((vcpu) => vcpu.index).join(",")}, not ${indices.join(",")}; observe again`,
  );
}

function ascending(a: number, b: number): number {
  return a - b;
}

function everywhere(world: World): PcpuId[] {
  return world.pcpus.map((pcpu) => pcpu.id);
}
