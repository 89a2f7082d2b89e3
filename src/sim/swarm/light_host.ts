/**
 * A host without threads: pins, vCPUs in use and what guests say of them, in virtual milliseconds, for ten thousand runs
 * of the controller in a minute or two. It answers in the words of the hypervisor port and keeps its rules: commands on
 * one domain run one after another, each ends, and what the guest was told it may go on doing after that.
 */
import type { CommandOutcome } from "../../core/event.ts";
import type { DomainSnapshot, GuestReport, Pcpu, Snapshot, VcpuSlot } from "../../core/model.ts";
import type { DomainId, Milliseconds, PcpuId, VcpuIndex } from "../../core/units.ts";
import { unreachable } from "../../core/unreachable.ts";
import { sameSlot } from "../../core/vcpu_slot.ts";
import type { CommandAction } from "../controller/simulated_shell.ts";
import type { Draws } from "./draws.ts";
import { MISHAPS, type Mishap, type Temper } from "./swarm_options.ts";

export interface LightDomain {
  readonly id: DomainId;
  readonly incarnation: string;
  paused: boolean;
  /** Ascending by index. */
  readonly vcpus: Map<VcpuIndex, LightVcpu>;
  /** Places for further vCPUs; `null` for a machine that plugs none. */
  freeSlots: readonly VcpuSlot[] | null;
  /** Its load monitor is at work. */
  asks: boolean;
  /** What its programs would use, in thousandths of a pCPU. */
  load: number;
  emulatorPins: readonly PcpuId[];
  /** Always holds 0. */
  online: Set<VcpuIndex>;
  temper: Temper;
  /** What a lying guest says instead. */
  claims: ReadonlySet<VcpuIndex> | null;
  /** So many looks do not show it: its monitor is somebody else's just now. */
  hiddenFor: number;
  /** What somebody else than vbal changed: that is not put back as it came. */
  readonly meddled: Set<"pins" | "online">;
  /** When vbal last gave the command to plug there, by the core of the slot. */
  readonly plugCommanded: Map<number, Milliseconds>;
  /** Since when a slot is free where a vCPU of vbal's was, by its core; until vbal has seen it. */
  readonly vacated: Map<number, Milliseconds>;
  /** Grows with each request and reboot: an older one is not gone on with. */
  request: number;
  /** The command that it is carrying out, and those that wait for it. */
  readonly commands: (() => void)[];
}

interface LightVcpu {
  /** Where it was told to run. */
  pins: readonly PcpuId[];
  readonly slot: VcpuSlot;
  /**
   * Who plugged it; `null` for one that was there at boot, `unknown` where nobody can tell: vbal was about to plug there, too,
   * or its command reached another life of the domain than the one that it had seen.
   */
  readonly by: "controller" | "somebody" | "unknown" | null;
}

interface Plug {
  readonly slot: VcpuSlot;
  readonly by: "controller" | "unknown";
}

type Ended = (outcome: CommandOutcome) => void;

/** As the daemon's. */
const PIN_DEADLINE_MS = 2_000;
const SET_ONLINE_DEADLINE_MS = 15_000;
const PLUG_DEADLINE_MS = 15_000;

export class LightHost {
  now: Milliseconds = 0;
  readonly pcpus: Pcpu[];
  #online: readonly PcpuId[];
  readonly domains = new Map<DomainId, LightDomain>();
  /** What the controller did that no host should suffer, as sentences. */
  readonly faults: string[] = [];
  /** A guest changed or a domain came: an observation is worthwhile. */
  onChange: () => void = () => {};
  #timers: { readonly at: Milliseconds; readonly run: () => void }[] = [];
  readonly #draws: Draws;
  #mishaps: Readonly<Record<Mishap, number>>;
  #lives = 0;

  constructor(pcpus: readonly Pcpu[], draws: Draws, mishaps: Readonly<Record<Mishap, number>>) {
    this.pcpus = [...pcpus];
    this.#online = onlineOf(pcpus);
    this.#draws = draws;
    this.#mishaps = mishaps;
  }

  endMishaps(): void {
    this.#mishaps = Object.fromEntries(MISHAPS.map((mishap) => [mishap, 0])) as Record<Mishap, number>;
  }

  befalls(mishap: Mishap): boolean {
    return 0 < this.#mishaps[mishap] && this.#draws.chance(this.#mishaps[mishap]);
  }

  after(delay: Milliseconds, run: () => void): void {
    const at = this.now + delay;
    let place = this.#timers.length;
    // Few are pending; those of one moment run in the order in which they were set.
    while (place > 0 && at < this.#timers[place - 1].at) place--;
    this.#timers.splice(place, 0, { at, run });
  }

  /** Lets time pass until something is due, then does it. */
  next(): void {
    const timer = this.#timers.shift();
    if (timer === undefined) throw new Error("The light host has nothing left to do, not even a look");
    this.now = timer.at;
    timer.run();
  }

  arrive(id: DomainId, vcpus: number): LightDomain {
    const everywhere = this.pcpus.map((pcpu) => pcpu.id);
    const domain: LightDomain = {
      id,
      incarnation: String(++this.#lives),
      paused: false,
      vcpus: new Map(
        Array.from({ length: vcpus }, (_, index) => [
          index,
          { pins: everywhere, slot: slotAt(index), by: null },
        ]),
      ),
      freeSlots: null,
      asks: false,
      load: 0,
      emulatorPins: everywhere,
      online: new Set(Array.from({ length: vcpus }, (_, index) => index)),
      temper: "obedient",
      claims: null,
      hiddenFor: 0,
      meddled: new Set(),
      plugCommanded: new Map(),
      vacated: new Map(),
      request: 0,
      commands: [],
    };
    this.domains.set(id, domain);
    this.onChange();
    return domain;
  }

  setPcpu(id: PcpuId, online: boolean): void {
    const at = this.pcpus.findIndex((pcpu) => pcpu.id === id);
    this.pcpus[at] = { ...this.pcpus[at], online };
    this.#online = onlineOf(this.pcpus);
    this.onChange();
  }

  /** Where a thread with these pins may run, ascending; as in Linux, everywhere when none of them is online. */
  #effective(pins: readonly PcpuId[]): readonly PcpuId[] {
    const left = this.#online.filter((id) => pins.includes(id));
    return left.length > 0 ? left : this.#online;
  }

  observe(): Snapshot {
    const domains = [...this.domains.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
    return { pcpus: [...this.pcpus], domains: domains.map((domain) => this.#snapshotOf(domain)) };
  }

  #snapshotOf(domain: LightDomain): DomainSnapshot {
    return {
      id: domain.id,
      incarnation: domain.incarnation,
      state: domain.paused ? "paused" : "running",
      vcpus: [...domain.vcpus].map(([index, { pins, slot, by }]) => ({
        index,
        pins: this.befalls("pins-unread") ? null : this.#effective(pins),
        ...slot,
        ...(by === null ? {} : { removable: true }),
      })),
      ...(domain.freeSlots === null ? {} : { freeSlots: domain.freeSlots }),
      emulatorPins: this.befalls("pins-unread") ? null : this.#effective(domain.emulatorPins),
      guest: reportOf(domain),
    };
  }

  /** `ended` is called once, whatever happens; `isStray`: meant for another life of the domain. */
  carryOut(action: CommandAction, isStray: boolean, ended: Ended): void {
    const domain = this.domains.get(action.domain);
    if (domain === undefined) {
      this.after(1, () => ended(failed("no-such-domain", action.domain)));
      return;
    }
    if (action.kind === "plug-vcpu") noteCommanded(domain, action.slot, this.now);
    if (isStray) domain.meddled.add("pins").add("online");
    let isOver = false;
    const end: Ended = (outcome) => {
      if (isOver) return;
      isOver = true;
      ended(outcome);
      const at = domain.commands.indexOf(begin);
      domain.commands.splice(at, 1);
      if (at === 0) domain.commands[0]?.();
    };
    const begin = (): void => {
      if (this.domains.get(domain.id) !== domain) end(failed("no-such-domain", domain.id));
      else if (!this.befalls("command-lost")) this.#begin(domain, { action, isStray }, end);
    };
    // As the port says: in order, and each over by its deadline, also one that never began.
    this.after(DEADLINES[action.kind], () => end(failed("timed-out", domain.id)));
    if (domain.commands.push(begin) === 1) this.after(0, begin);
  }

  #begin(
    domain: LightDomain,
    { action, isStray }: { readonly action: CommandAction; readonly isStray: boolean },
    end: Ended,
  ): void {
    switch (action.kind) {
      case "set-online":
        this.#setOnline(domain, action.online, end);
        return;
      case "pin-vcpu":
      case "pin-emulator":
        this.#pin(domain, action, end);
        return;
      case "plug-vcpu":
        this.#plug(domain, { slot: action.slot, by: isStray ? "unknown" : "controller" }, end);
        return;
      case "unplug-vcpu":
        this.#unplug(domain, action.vcpu, end);
    }
  }

  /** A vCPU arrives offline, with the lowest number that is free, on the pins of the emulator (pitfall 23). */
  addVcpu(domain: LightDomain, slot: VcpuSlot, by: NonNullable<LightVcpu["by"]>): void {
    let index = 0;
    while (domain.vcpus.has(index)) index++;
    domain.vcpus.set(index, { pins: domain.emulatorPins, slot, by });
    const ascending = [...domain.vcpus].sort(([a], [b]) => a - b);
    domain.vcpus.clear();
    for (const [one, vcpu] of ascending) domain.vcpus.set(one, vcpu);
    domain.freeSlots = domain.freeSlots?.filter((free) => !sameSlot(free, slot)) ?? null;
    this.onChange();
  }

  removeVcpu(domain: LightDomain, index: VcpuIndex): void {
    const vcpu = domain.vcpus.get(index);
    if (vcpu === undefined) return;
    domain.vcpus.delete(index);
    domain.online.delete(index);
    if (vcpu.by !== "somebody") domain.vacated.set(vcpu.slot.guestCore, this.now);
    if (domain.freeSlots !== null) domain.freeSlots = [vcpu.slot, ...domain.freeSlots];
    this.onChange();
  }

  #plug(domain: LightDomain, { slot, by }: Plug, end: Ended): void {
    if (domain.temper === "refusing") {
      end(failed("guest-refused", domain.id));
      return;
    }
    const late = this.befalls("command-late") ? PLUG_DEADLINE_MS + this.#draws.between(0, 8_000) : 0;
    this.after(this.#draws.between(20, 1_500) + late, () => {
      const isFree = domain.freeSlots?.some((free) => sameSlot(free, slot)) === true;
      if (this.domains.get(domain.id) !== domain) return end(failed("no-such-domain", domain.id));
      if (!isFree) return end(failed("no-such-slot", domain.id));
      this.addVcpu(domain, slot, by);
      return end({ ok: true });
    });
  }

  #unplug(domain: LightDomain, index: VcpuIndex, end: Ended): void {
    this.after(this.#draws.between(20, 500), () => {
      const vcpu = domain.vcpus.get(index);
      if (vcpu === undefined || vcpu.by === null) return end(failed("no-such-vcpu", domain.id));
      if (vcpu.by === "somebody")
        this.faults.push(`${domain.id}.${index} is unplugged, which somebody else had plugged`);
      // Pitfall 1: it is only asked for.
      if (domain.online.has(index) || this.befalls("command-late"))
        return end(failed("guest-refused", domain.id));
      this.removeVcpu(domain, index);
      return end({ ok: true });
    });
  }

  #pin(
    domain: LightDomain,
    action: Extract<CommandAction, { kind: "pin-vcpu" | "pin-emulator" }>,
    end: Ended,
  ): void {
    const takes = this.befalls("command-slow") ? this.#draws.between(100, 1_900) : 1;
    this.after(takes, () => {
      const isThere = (id: PcpuId): boolean => this.pcpus.some((pcpu) => pcpu.id === id && pcpu.online);
      if (this.domains.get(domain.id) !== domain) return end(failed("no-such-domain", domain.id));
      if (!action.pcpus.every(isThere)) return end(failed("no-such-pcpu", domain.id));
      if (action.kind === "pin-emulator") domain.emulatorPins = action.pcpus;
      else {
        const vcpu = domain.vcpus.get(action.vcpu);
        if (vcpu === undefined) return end(failed("no-such-vcpu", domain.id));
        vcpu.pins = action.pcpus;
      }
      return end({ ok: true });
    });
  }

  #setOnline(domain: LightDomain, asked: readonly VcpuIndex[], end: Ended): void {
    if (domain.paused) {
      end(failed("paused", domain.id));
      return;
    }
    const order = ++domain.request;
    const reaction = this.#draws.between(5, 50);
    const apply = (online: readonly VcpuIndex[]): boolean => {
      if (this.domains.get(domain.id) !== domain || domain.paused || domain.request !== order) return false;
      domain.online = new Set([0, ...online.filter((index) => domain.vcpus.has(index))]);
      this.onChange();
      return true;
    };
    const again = (): void => {
      if (!this.befalls("command-doubled")) return;
      this.after(this.#draws.between(10, 5_000), () => apply(asked));
    };
    switch (domain.temper) {
      case "obedient": {
        const late = this.befalls("command-late")
          ? SET_ONLINE_DEADLINE_MS + this.#draws.between(0, 5_000)
          : 0;
        this.after(reaction + late, () => {
          if (!apply(asked)) return;
          again();
          end({ ok: true });
        });
        return;
      }
      case "slow":
        this.#slowly(domain, { asked, order, end });
        return;
      case "clumsy":
        this.after(reaction, () => {
          const done = [...domain.online].filter((index) => asked.includes(index) || this.#draws.chance(0.5));
          apply([...done, ...asked.filter(() => this.#draws.chance(0.5))]);
          end({ ok: true });
        });
        return;
      case "lying":
        this.after(reaction, () => {
          domain.claims = new Set(asked);
          // Who finds it then finds what it says.
          domain.meddled.add("online");
          end({ ok: true });
        });
        return;
      case "refusing":
        this.after(reaction, () => end(failed("guest-refused", domain.id)));
        return;
      case "stuck":
      case "dead":
        return;
      default:
        unreachable(domain.temper);
    }
  }

  #slowly(
    domain: LightDomain,
    request: { readonly asked: readonly VcpuIndex[]; readonly order: number; readonly end: Ended },
  ): void {
    const { asked, order, end } = request;
    this.after(this.#draws.between(300, 3_000), () => {
      if (this.domains.get(domain.id) !== domain || domain.request !== order) return;
      if (!domain.paused) {
        const differs = [...domain.vcpus.keys()].find(
          (index) => index !== 0 && asked.includes(index) !== domain.online.has(index),
        );
        if (differs === undefined) {
          end({ ok: true });
          return;
        }
        if (domain.online.has(differs)) domain.online.delete(differs);
        else domain.online.add(differs);
        this.onChange();
      }
      this.#slowly(domain, request);
    });
  }
}

/** Who filled a slot just before it was to be filled has a vCPU that nobody can tell from the one that was asked for. */
function noteCommanded({ vcpus, plugCommanded }: LightDomain, slot: VcpuSlot, now: Milliseconds): void {
  plugCommanded.set(slot.guestCore, now);
  for (const [index, vcpu] of vcpus)
    if (vcpu.by === "somebody" && sameSlot(vcpu.slot, slot)) vcpus.set(index, { ...vcpu, by: "unknown" });
}

function onlineOf(pcpus: readonly Pcpu[]): PcpuId[] {
  return pcpus.filter(({ online }) => online).map(({ id }) => id);
}

function reportOf({ temper, claims, online, vcpus, asks }: LightDomain): GuestReport | null {
  if (temper === "dead") return null;
  const said = temper === "lying" && claims !== null ? claims : online;
  return {
    agent: "vbal-agent",
    ...(asks ? { asks } : {}),
    mechanisms: ["offline", "isolate"],
    vcpus: [...vcpus.keys()].map((index) => ({ index, online: said.has(index), canOffline: index !== 0 })),
  };
}

const DEADLINES: Readonly<Record<CommandAction["kind"], Milliseconds>> = {
  "pin-vcpu": PIN_DEADLINE_MS,
  "pin-emulator": PIN_DEADLINE_MS,
  "set-online": SET_ONLINE_DEADLINE_MS,
  "plug-vcpu": PLUG_DEADLINE_MS,
  "unplug-vcpu": PLUG_DEADLINE_MS,
};

/** One thread per core. */
export function slotAt(guestCore: number, guestNode = 0): VcpuSlot {
  return { guestSocket: 0, guestCore, guestThread: 0, guestNode };
}

function failed(failure: string, domain: DomainId): CommandOutcome {
  return { ok: false, failure, why: `${domain}: ${failure}` };
}
