/**
 * One seed of the swarm: the shipped controller on a light host (light_host.ts). In phase 1 everything goes wrong that the
 * seed allows, and nothing may break (safety_rules.ts, after every step). In phase 2 nothing goes wrong any more, and the
 * host must come to the plan within a bound; `pending` says why it has not yet. In phase 3 the daemon stops, and must
 * put everything back.
 */
import { GROWTH_GIVEN_UP_FOR_MS, RETRY_AFTER_MAX_MS, step } from "../../core/controller.ts";
import type { ControllerState } from "../../core/controller_state.ts";
import type { VcpuSlot } from "../../core/model.ts";
import { PLUG_COMES_WITHIN_MS } from "../../core/plugged_vcpus.ts";
import type { Policy } from "../../core/policy.ts";
import { ALL_SAFEGUARDS, type Safeguards } from "../../core/safeguards.ts";
import type { Milliseconds } from "../../core/units.ts";
import { unreachable } from "../../core/unreachable.ts";
import { SimulatedShell, type StepTaken } from "../controller/simulated_shell.ts";
import { AskingGuests, drawLoad } from "./asking_guests.ts";
import { type Draws, drawsOf } from "./draws.ts";
import { isRepeatable } from "./is_repeatable.ts";
import { LendingRule } from "./lending_rule.ts";
import { type LightDomain, LightHost, slotAt } from "./light_host.ts";
import { pendingOn } from "./pending.ts";
import { leftIn } from "./put_back_rule.ts";
import { brokenRules } from "./safety_rules.ts";
import {
  drawDomainPolicy,
  drawHostPolicy,
  drawOptions,
  HAPPENINGS,
  type Happening,
  pcpusOf,
  type SwarmOptions,
} from "./swarm_options.ts";

export interface SwarmRun {
  readonly seed: number;
  /** Empty when all is well. */
  readonly faults: readonly string[];
  readonly steps: number;
  /** Phase 2 lasted so long; null when it did not come to an end. */
  readonly convergedAfterMs: Milliseconds | null;
}

const TICK_MS = 1_000;
const LOOK_GAP_MS = 10;
/** The longest pause before a command is tried again, a growth that was given up, and the change itself. */
export const CONVERGED_WITHIN_MS: Milliseconds = RETRY_AFTER_MAX_MS + GROWTH_GIVEN_UP_FOR_MS + 30_000;
/** A request that no guest answers holds up its domain for 15 s; what waited behind it is tried again. */
const RELEASED_WITHIN_MS: Milliseconds = 15_000 + RETRY_AFTER_MAX_MS;
const FAULTS_MAX = 5;
/** One step of so many is taken twice: some for each seed, at a twentieth of the time that everything takes. */
const COMPARE_EVERY = 40;

/** What a test may switch off, or put in the place of the shipped controller, to see that it is noticed. */
export interface SwarmParts {
  readonly safeguards?: Safeguards;
  readonly controller?: typeof step;
}

export function runSwarm(seed: number, parts: SwarmParts = {}): SwarmRun {
  return new Swarm(seed, parts).run();
}

class Swarm {
  readonly #seed: number;
  readonly #parts: Required<SwarmParts>;
  readonly #draws: Draws;
  readonly #options: SwarmOptions;
  /** Every kind of happening as often as its weight says. */
  readonly #bag: readonly Happening[];
  readonly #host: LightHost;
  readonly #guests: AskingGuests;
  readonly #lending = new LendingRule();
  #policy: Policy;
  #shell: SimulatedShell;
  /** What an earlier life had under way is told to nobody. */
  #life = 0;
  #isLooking = false;
  #lookAgain = false;
  #lookAt = Number.POSITIVE_INFINITY;
  /** So many looks do not show every domain yet. */
  #partialLooks = 0;
  /** It will be killed in its next step: between writing its actions down and carrying them out. */
  #isDoomed = false;
  #isKilled = false;
  #arrived = 0;
  #pluggedByOthers = 0;
  #steps = 0;
  readonly #faults: string[] = [];

  constructor(seed: number, { safeguards = ALL_SAFEGUARDS, controller = step }: SwarmParts) {
    this.#seed = seed;
    this.#parts = { safeguards, controller };
    this.#draws = drawsOf(seed, 1);
    this.#options = drawOptions(this.#draws);
    const { happenings } = this.#options;
    this.#bag = HAPPENINGS.flatMap((kind) => Array<Happening>(happenings[kind]).fill(kind));
    this.#policy = this.#options.policy;
    this.#host = new LightHost(pcpusOf(this.#options), drawsOf(seed, 2), this.#options.mishaps);
    this.#host.onChange = () => this.#lookIn(LOOK_GAP_MS);
    this.#guests = new AskingGuests(this.#host, drawsOf(seed, 3), (requests) => {
      if (!this.#isKilled) this.#shell.request(requests, this.#host.now);
    });
    for (let i = this.#draws.between(1, this.#options.domainsMax); i > 0; i--) this.#arrive();
    this.#shell = this.#startShell();
    this.#tick();
  }

  run(): SwarmRun {
    const { faultsForMs } = this.#options;
    this.#scheduleHappening();
    while (this.#host.now < faultsForMs && this.#faults.length < FAULTS_MAX) this.#host.next();
    const convergedAfterMs = this.#faults.length === 0 ? this.#converge() : null;
    if (convergedAfterMs !== null) this.#release();
    return { seed: this.#seed, faults: this.#faults, steps: this.#steps, convergedAfterMs };
  }

  #converge(): Milliseconds | null {
    const host = this.#host;
    host.endMishaps();
    for (const { id } of host.pcpus) host.setPcpu(id, true);
    for (const domain of host.domains.values()) {
      domain.paused = false;
      domain.temper = "obedient";
      domain.claims = null;
      domain.hiddenFor = 0;
    }
    this.#policy = { ...this.#policy, mode: "enforce" };
    this.#guests.mendAll();
    // On one host of two nobody asks any more, and weights alone decide again.
    if (this.#seed % 2 === 0) for (const domain of host.domains.values()) domain.asks = false;
    if (this.#isKilled || this.#isDoomed) this.#restart();
    else this.#shell.changePolicy(this.#policy, host.now);
    const from = host.now;
    while (host.now < from + CONVERGED_WITHIN_MS && this.#faults.length === 0) {
      host.next();
      if (this.#pending().length === 0) return host.now - from;
    }
    this.#faults.push(...this.#pending().map((text) => `Not converged after ${host.now - from} ms: ${text}`));
    return null;
  }

  #release(): void {
    const host = this.#host;
    const until = host.now + RELEASED_WITHIN_MS;
    this.#shell.release(host.now);
    const touched = (): readonly string[] =>
      this.#shell.state.domains.filter((domain) => domain.touched).map(({ id }) => id);
    // A look that was under way may not show everybody; the next one does.
    const isAway = (): boolean =>
      [...host.domains.keys()].some((id) => this.#shell.state.absent.some(({ memory }) => memory.id === id));
    while (host.now < until && (touched().length > 0 || isAway())) host.next();
    for (const id of touched()) this.#faults.push(`Invariant 7: ${id} was not put back by a clean stop`);
    if (this.#faults.length === 0)
      for (const domain of host.domains.values()) this.#faults.push(...leftIn(domain, host.pcpus));
  }

  #pending(): string[] {
    const { state } = this.#shell;
    return pendingOn({ state, policy: this.#policy, host: this.#host, guests: this.#guests });
  }

  #startShell(earlier?: ControllerState): SimulatedShell {
    const life = ++this.#life;
    this.#lending.forget();
    this.#isDoomed = false;
    this.#isKilled = false;
    this.#isLooking = false;
    this.#lookAgain = false;
    this.#partialLooks = this.#host.befalls("look-partial") ? this.#draws.between(1, 4) : 0;
    const shell: SimulatedShell = new SimulatedShell({
      policy: this.#policy,
      ...this.#parts,
      ...(earlier === undefined ? {} : { earlier }),
      onStep: (taken) => this.#check(taken),
      carryOut: (action) => {
        if (this.#isKilled) return;
        this.#host.carryOut(action, this.#isStray(action.domain), (outcome) => {
          if (this.#life !== life) return;
          shell.commandEnded(action.id, outcome);
          this.#lookIn(LOOK_GAP_MS);
        });
      },
      answer: (reply) => {
        if (!this.#isKilled) this.#guests.hear(reply);
      },
      wakeAt: (at) => this.#lookIn(Math.max(0, at - this.#host.now)),
    });
    this.#shell = shell;
    shell.start(this.#host.now);
    this.#lookIn(0);
    return shell;
  }

  /** A command that reaches another life than the one that was seen: what that one was like before, nobody can know. */
  #isStray(id: string): boolean {
    const seen = this.#shell.state.snapshot?.domains.find((domain) => domain.id === id);
    const domain = this.#host.domains.get(id);
    return domain !== undefined && domain.incarnation !== seen?.incarnation;
  }

  #check(taken: StepTaken): void {
    this.#steps++;
    if (this.#isDoomed) this.#isKilled = true;
    if (this.#steps % COMPARE_EVERY === 0 && !isRepeatable(taken, this.#parts))
      this.#faults.push(
        `At ${taken.now} ms: Invariants 1 and 9: the same step from the journalled state differs`,
      );
    const broken = [
      ...brokenRules(taken),
      ...this.#lending.broken(taken.step.notes),
      ...this.#host.faults.splice(0),
      ...this.#guests.faults.splice(0),
    ];
    for (const text of broken) this.#faults.push(`At ${taken.now} ms: ${text}`);
  }

  #restart(): void {
    // As the journal carries it over.
    const state = JSON.parse(JSON.stringify(this.#shell.state)) as ControllerState;
    this.#shell = this.#startShell(state);
  }

  #tick(): void {
    this.#lookIn(0);
    this.#host.after(TICK_MS, () => this.#tick());
  }

  #lookIn(delay: Milliseconds): void {
    const at = this.#host.now + delay;
    if (this.#lookAt <= at) return;
    this.#lookAt = at;
    this.#host.after(delay, () => {
      if (this.#lookAt !== at) return;
      this.#lookAt = Number.POSITIVE_INFINITY;
      this.#look();
    });
  }

  #look(): void {
    if (this.#isLooking) {
      this.#lookAgain = true;
      return;
    }
    if (this.#isKilled) return;
    const life = this.#life;
    const host = this.#host;
    this.#isLooking = true;
    this.#shell.beginLook();
    const fails = host.befalls("look-fails");
    const whole = host.observe();
    const at = host.now;
    const isPartial = 0 < this.#partialLooks;
    if (isPartial) this.#partialLooks--;
    const shown = whole.domains.filter(({ id }, i) => {
      const domain = host.domains.get(id)!;
      if (0 < domain.hiddenFor) return domain.hiddenFor-- === 0;
      return !isPartial || i % 2 === 0;
    });
    host.after(host.befalls("look-late") ? this.#draws.between(50, 4_000) : 1, () => {
      if (this.#life !== life) return;
      this.#isLooking = false;
      const isMeasured = 0 < this.#options.manners.length;
      const snapshot = fails ? null : { ...whole, domains: shown };
      const use = isMeasured ? this.#guests.use() : undefined;
      if (use !== undefined && snapshot !== null) this.#lending.look(use, host.now);
      this.#shell.endLook(snapshot, host.now, use);
      if (!fails) for (const { id, incarnation } of shown) this.#noteSeen(id, incarnation, at);
      if (!this.#lookAgain) return;
      this.#lookAgain = false;
      this.#lookIn(LOOK_GAP_MS);
    });
  }

  /** What was free at that look vbal knows to be free. */
  #noteSeen(id: string, incarnation: string, at: Milliseconds): void {
    const domain = this.#host.domains.get(id);
    if (domain?.incarnation !== incarnation) return;
    for (const [core, since] of domain.vacated) if (since <= at) domain.vacated.delete(core);
  }

  #scheduleHappening(): void {
    const { betweenHappeningsMs, faultsForMs } = this.#options;
    this.#host.after(this.#draws.between(1, 2 * betweenHappeningsMs), () => {
      if (faultsForMs <= this.#host.now) return;
      this.#happen(this.#draws.pick(this.#bag));
      this.#scheduleHappening();
    });
  }

  #happen(kind: Happening): void {
    const draws = this.#draws;
    const host = this.#host;
    const all = [...host.domains.values()];
    const domain: LightDomain | undefined = all[draws.below(Math.max(1, all.length))];
    switch (kind) {
      case "domain-arrives":
        if (all.length < this.#options.domainsMax) this.#arrive();
        return;
      case "policy-changed":
        if (domain !== undefined) this.#weigh(domain);
        this.#tellPolicy();
        return;
      case "rules-changed":
        this.#policy = drawHostPolicy(draws, this.#policy);
        this.#tellPolicy();
        return;
      case "paused-by-administrator":
        this.#setMode("observe");
        host.after(draws.between(1_000, 15_000), () => this.#setMode("enforce"));
        return;
      case "daemon-restarts":
        if (this.#isKilled || draws.chance(0.5)) this.#restart();
        else this.#isDoomed = true;
        return;
      case "pcpu-offline":
        // pCPU 0 stays, as on a real host.
        if (host.pcpus.length > 1) host.setPcpu(draws.between(1, host.pcpus.length - 1), false);
        return;
      case "pcpu-online":
        host.setPcpu(draws.below(host.pcpus.length), true);
        return;
      default:
        if (domain !== undefined) this.#befall(domain, kind);
    }
  }

  #setMode(mode: Policy["mode"]): void {
    if (this.#policy.mode === mode) return;
    this.#policy = { ...this.#policy, mode };
    this.#tellPolicy();
  }

  #tellPolicy(): void {
    if (!this.#isKilled && !this.#isDoomed) this.#shell.changePolicy(this.#policy, this.#host.now);
  }

  #befall(domain: LightDomain, kind: Exclude<Happening, HostHappening>): void {
    const draws = this.#draws;
    const indices = [...domain.vcpus.keys()];
    switch (kind) {
      case "domain-departs":
        this.#host.domains.delete(domain.id);
        break;
      case "domain-restarts":
        this.#restartDomain(domain);
        break;
      case "monitor-lost":
        domain.hiddenFor = draws.between(1, 12);
        break;
      case "domain-paused":
        domain.paused = true;
        break;
      case "domain-resumed":
        domain.paused = false;
        break;
      case "guest-reboots":
        domain.request++;
        domain.online = new Set(indices);
        break;
      case "guest-changes-temper":
        domain.temper = draws.pick(this.#options.tempers);
        domain.claims = null;
        break;
      case "guest-acts-alone":
        domain.online = new Set([0, ...indices.filter(() => draws.chance(0.5))]);
        domain.meddled.add("online");
        break;
      case "vcpu-plugged":
        if (domain.vcpus.size < 2 * this.#options.vcpusMax)
          this.#host.addVcpu(domain, this.#slotForSomebody(domain), "somebody");
        break;
      case "vcpu-unplugged": {
        const later = indices.filter((index) => domain.vcpus.get(index)!.by !== null);
        if (0 < later.length) this.#host.removeVcpu(domain, draws.pick(later));
        break;
      }
      case "repinned-by-others":
        domain.meddled.add("pins");
        domain.vcpus.get(draws.pick(indices))!.pins = [draws.below(this.#host.pcpus.length)];
        break;
      case "asking-begins-or-ends":
        this.#guests.beginOrEnd(domain);
        break;
      case "load-changed":
        domain.load = drawLoad(draws);
        break;
      default:
        unreachable(kind);
    }
    this.#host.onChange();
  }

  /**
   * Where the machine offers it, unless a vCPU of vbal's may come there yet, or went and vbal has not looked since; or where
   * it offers nothing.
   */
  #slotForSomebody({ freeSlots, plugCommanded, vacated }: LightDomain): VcpuSlot {
    const free = (freeSlots ?? []).filter(
      ({ guestCore }) =>
        (plugCommanded.get(guestCore) ?? Number.NEGATIVE_INFINITY) + PLUG_COMES_WITHIN_MS < this.#host.now &&
        !vacated.has(guestCore),
    );
    return free[0] ?? slotAt(1_000 + this.#pluggedByOthers++);
  }

  /** The hypervisor's process ends and another one begins, which may take its pins over. */
  #restartDomain({ id, vcpus, meddled, emulatorPins }: LightDomain): void {
    const booted = [...vcpus].filter(([, { by }]) => by === null).length;
    const again = this.#arrive(id, this.#draws.chance(0.5) ? booted : undefined);
    // A command to the earlier life may reach the new one, which then is taken for it.
    for (const what of meddled) again.meddled.add(what);
    if (this.#draws.chance(0.7)) return;
    for (const [index, vcpu] of again.vcpus) vcpu.pins = vcpus.get(index)?.pins ?? vcpu.pins;
    again.emulatorPins = emulatorPins;
    // Whose pins these are is not always to be known.
    again.meddled.add("pins");
  }

  #arrive(id = `d${this.#arrived++}`, vcpus = this.#draws.between(1, this.#options.vcpusMax)): LightDomain {
    const domain = this.#host.arrive(id, vcpus);
    domain.temper = this.#draws.pick(this.#options.tempers);
    if (this.#draws.chance(0.5)) this.#weigh(domain);
    const { manners } = this.#options;
    if (manners.length === 0 || !this.#draws.chance(0.8)) return domain;
    if (this.#draws.chance(0.7)) {
      const slots = this.#draws.between(1, 4);
      domain.freeSlots = Array.from({ length: slots }, (_, n) => slotAt(domain.vcpus.size + n, n % 2));
    }
    this.#guests.join(domain, this.#draws.pick(manners));
    return domain;
  }

  /** The daemon learns of it with its next start, or by `changePolicy`. */
  #weigh({ id }: LightDomain): void {
    const domains = { ...this.#policy.domains, [id]: drawDomainPolicy(this.#draws) };
    this.#policy = { ...this.#policy, domains };
  }
}

type HostHappening =
  | `pcpu-${string}`
  | "domain-arrives"
  | "policy-changed"
  | "rules-changed"
  | "paused-by-administrator"
  | "daemon-restarts";
