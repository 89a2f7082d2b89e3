/** A host made of plain data for the controller's tests: commands act on it at once, and guests obey or do not. */
import type { Action, Command, Reply } from "./action.ts";
import { type Step, step } from "./controller.ts";
import { type ControllerState, INITIAL_STATE } from "./controller_state.ts";
import type { ControllerEvent } from "./event.ts";
import type { DomainSnapshot, Pcpu, Snapshot, VcpuSlot } from "./model.ts";
import { DEFAULT_DOMAIN_POLICY, DEFAULT_POLICY, type DomainPolicy, type Policy } from "./policy.ts";
import type { VcpuRequest } from "./request.ts";
import { ALL_SAFEGUARDS, type Safeguards } from "./safeguards.ts";
import type { DomainId, MilliPcpu, VcpuIndex } from "./units.ts";
import { sameSlot, slotOf } from "./vcpu_slot.ts";

/** How a test's guest behaves: it obeys, ignores what it is told, says nothing, or never brings more online. */
export type Temper = "obedient" | "stuck" | "silent" | "never-grows";

export interface TestDomain {
  readonly vcpus: number;
  readonly temper?: Temper;
  readonly policy?: Partial<DomainPolicy>;
  readonly paused?: boolean;
  /** Where the vCPUs may run at first; all pCPUs unless given. */
  readonly pins?: readonly (readonly number[])[];
  readonly online?: readonly number[];
  /** Its guest has a load monitor at work. */
  readonly asks?: boolean;
  /** Free slots for further vCPUs, by guest node. */
  readonly slots?: readonly number[];
  /** Guest node of each vCPU; 0 unless given. */
  readonly nodes?: readonly number[];
  readonly memory?: DomainSnapshot["memory"];
}

export function pcpus(count: number, shape: Partial<Pcpu> = {}): Pcpu[] {
  return Array.from({ length: count }, (_, id) => ({
    id,
    core: id,
    llc: 0,
    node: 0,
    online: true,
    ...shape,
  }));
}

export class TestWorld {
  now = 0;
  snapshot: Snapshot;
  state: ControllerState = INITIAL_STATE;
  policy: Policy;
  safeguards: Safeguards = ALL_SAFEGUARDS;
  /** Everything that was given out, in order. */
  readonly log: Command[] = [];
  readonly notes: Step["notes"][number][] = [];
  readonly replies: Reply[] = [];
  /** What the host measures of each domain's use. */
  readonly use = new Map<DomainId, MilliPcpu>();
  readonly #tempers = new Map<DomainId, Temper>();
  #requests = 0;

  constructor(host: number | readonly Pcpu[], policy: Partial<Policy> = {}) {
    this.snapshot = { pcpus: typeof host === "number" ? pcpus(host) : host, domains: [] };
    this.policy = { ...DEFAULT_POLICY, ...policy };
  }

  arrive(id: DomainId, domain: TestDomain): this {
    const all = this.snapshot.pcpus.map((pcpu) => pcpu.id);
    const temper = domain.temper ?? "obedient";
    this.#tempers.set(id, temper);
    const indices = Array.from({ length: domain.vcpus }, (_, index) => index);
    const arrived: DomainSnapshot = {
      id,
      incarnation: `${id}-${this.now}`,
      state: domain.paused ? "paused" : "running",
      vcpus: indices.map((index) => ({
        index,
        pins: domain.pins?.[index] ?? all,
        guestSocket: 0,
        guestCore: index,
        guestThread: 0,
        guestNode: domain.nodes?.[index] ?? 0,
      })),
      ...(domain.slots === undefined
        ? {}
        : {
            freeSlots: domain.slots.map((guestNode, order) => ({
              guestSocket: 0,
              guestCore: domain.vcpus + order,
              guestThread: 0,
              guestNode,
            })),
          }),
      ...(domain.memory === undefined ? {} : { memory: domain.memory }),
      emulatorPins: all,
      guest:
        temper === "silent"
          ? null
          : {
              agent: "vbal-agent",
              ...(domain.asks === true ? { asks: true } : {}),
              mechanisms: ["offline"],
              vcpus: indices.map((index) => ({
                index,
                online: domain.online?.includes(index) ?? true,
                canOffline: index !== 0,
              })),
            },
    };
    this.snapshot = {
      ...this.snapshot,
      domains: [...this.snapshot.domains, arrived].sort((a, b) => (a.id < b.id ? -1 : 1)),
    };
    if (domain.policy !== undefined) {
      const policy = { ...DEFAULT_DOMAIN_POLICY, ...domain.policy };
      this.policy = { ...this.policy, domains: { ...this.policy.domains, [id]: policy } };
    }
    return this;
  }

  depart(id: DomainId): this {
    this.snapshot = { ...this.snapshot, domains: this.snapshot.domains.filter((domain) => domain.id !== id) };
    return this;
  }

  temper(id: DomainId, temper: Temper): this {
    this.#tempers.set(id, temper);
    return this;
  }

  change(id: DomainId, change: (domain: DomainSnapshot) => DomainSnapshot): this {
    const domains = this.snapshot.domains.map((domain) => (domain.id === id ? change(domain) : domain));
    this.snapshot = { ...this.snapshot, domains };
    return this;
  }

  /** What the guest does by itself, as root in the guest could. */
  guestSets(id: DomainId, online: readonly VcpuIndex[]): this {
    return this.change(id, (domain) => withOnline(domain, online));
  }

  domain(id: DomainId): DomainSnapshot {
    const found = this.snapshot.domains.find((domain) => domain.id === id);
    if (found === undefined) throw new Error(`The test has no domain ${id}`);
    return found;
  }

  online(id: DomainId): readonly VcpuIndex[] {
    return (
      this.domain(id)
        .guest?.vcpus.filter((vcpu) => vcpu.online)
        .map(({ index }) => index) ?? []
    );
  }

  pins(id: DomainId): readonly (readonly number[] | null)[] {
    return this.domain(id).vcpus.map(({ pins }) => pins);
  }

  /** One call of the controller; the actions are returned and not carried out. */
  feed(event: ControllerEvent): readonly Action[] {
    const result = step(this.policy, this.state, event, this.now, this.safeguards);
    this.state = result.state;
    this.notes.push(...result.notes);
    for (const action of result.actions) {
      if (action.kind === "wait") continue;
      if (action.kind === "reply") {
        this.replies.push(action);
        continue;
      }
      const { id: _, ...command } = action;
      this.log.push(command);
    }
    return result.actions;
  }

  /** The guest asks for one more vCPU, as its monitor would; the commands that follow are carried out. */
  ask(domain: DomainId, request: Partial<VcpuRequest> = {}): this {
    const full: VcpuRequest = {
      domain,
      id: `${domain}-${++this.#requests}`,
      origin: "monitor",
      exceeded: { measure: "vm.composite", level: "vm", value: 1.2, threshold: 1 },
      target: null,
      ...request,
    };
    this.play({ kind: "requested", requests: [full] });
    return this;
  }

  /** "granted 3", "lent 5" or the code of the denial, for each reply since the last call. */
  told(): string[] {
    return this.replies.splice(0).map(({ answer }) => {
      if (answer.outcome === "denied") return answer.why.code;
      return `${answer.loan ? "lent" : "granted"} ${answer.vcpu}`;
    });
  }

  /** One call of the controller, with its actions carried out. */
  play(event: ControllerEvent): void {
    for (const action of this.feed(event)) this.carryOut(action);
  }

  observe(): readonly Action[] {
    const use = [...this.use].map(([domain, used]) => ({ domain, used }));
    return this.feed({ kind: "observed", snapshot: this.snapshot, use });
  }

  carryOut(action: Action): void {
    if (action.kind === "wait" || action.kind === "reply") return;
    const failure = this.#apply(action);
    const outcome =
      failure === null
        ? ({ ok: true } as const)
        : ({ ok: false, failure, why: `The guest is ${failure}` } as const);
    this.feed({ kind: "command-ended", id: action.id, outcome });
  }

  /** Observes and carries out until nothing is left to do; returns the number of rounds. */
  settle(roundsMax = 30): number {
    for (let round = 0; round < roundsMax; round++) {
      const actions = this.observe().filter(({ kind }) => kind !== "wait");
      if (actions.length === 0) return round;
      for (const action of actions) this.carryOut(action);
      this.now += 100;
    }
    return roundsMax;
  }

  /** Lets time pass, with an observation every second. */
  pass(ms: number): this {
    const end = this.now + ms;
    while (this.now < end) {
      this.now += 1000;
      for (const action of this.observe()) this.carryOut(action);
    }
    return this;
  }

  #apply(command: Command): string | null {
    switch (command.kind) {
      case "pin-vcpu":
        this.change(command.domain, (domain) => ({
          ...domain,
          vcpus: domain.vcpus.map((vcpu) =>
            vcpu.index === command.vcpu ? { ...vcpu, pins: command.pcpus } : vcpu,
          ),
        }));
        return null;
      case "pin-emulator":
        this.change(command.domain, (domain) => ({ ...domain, emulatorPins: command.pcpus }));
        return null;
      case "set-online":
        return this.#setOnline(command.domain, command.online);
      case "plug-vcpu":
        return this.#plug(command.domain, command.slot);
      case "unplug-vcpu":
        return this.#unplug(command.domain, command.vcpu);
    }
  }

  #plug(id: DomainId, slot: VcpuSlot): string | null {
    const { vcpus, freeSlots = [], emulatorPins } = this.domain(id);
    if (!freeSlots.some((free) => sameSlot(free, slot))) return "without such a slot";
    const taken = new Set(vcpus.map(({ index }) => index));
    let index = 0;
    while (taken.has(index)) index++;
    this.change(id, (domain) => ({
      ...domain,
      vcpus: [...vcpus, { ...slot, index, pins: emulatorPins, removable: true }].sort(
        (a, b) => a.index - b.index,
      ),
      freeSlots: freeSlots.filter((free) => !sameSlot(free, slot)),
      guest: domain.guest && {
        ...domain.guest,
        vcpus: [...domain.guest.vcpus, { index, online: false, canOffline: true }].sort(
          (a, b) => a.index - b.index,
        ),
      },
    }));
    return null;
  }

  #unplug(id: DomainId, index: VcpuIndex): string | null {
    const vcpu = this.domain(id).vcpus.find((other) => other.index === index);
    if (vcpu?.removable !== true || this.online(id).includes(index)) return "keeping it";
    this.change(id, (domain) => ({
      ...domain,
      vcpus: domain.vcpus.filter((other) => other.index !== index),
      freeSlots: [slotOf(vcpu), ...(domain.freeSlots ?? [])],
      guest: domain.guest && {
        ...domain.guest,
        vcpus: domain.guest.vcpus.filter((other) => other.index !== index),
      },
    }));
    return null;
  }

  #setOnline(id: DomainId, online: readonly VcpuIndex[]): string | null {
    switch (this.#tempers.get(id) ?? "obedient") {
      case "obedient":
        this.guestSets(id, online);
        return null;
      case "never-grows":
        this.guestSets(
          id,
          this.online(id).filter((index) => online.includes(index)),
        );
        return null;
      case "stuck":
        return "stuck";
      case "silent":
        return "silent";
    }
  }
}

function withOnline(domain: DomainSnapshot, online: readonly VcpuIndex[]): DomainSnapshot {
  if (domain.guest === null) return domain;
  const vcpus = domain.guest.vcpus.map((vcpu) => ({ ...vcpu, online: online.includes(vcpu.index) }));
  return { ...domain, guest: { ...domain.guest, vcpus } };
}
