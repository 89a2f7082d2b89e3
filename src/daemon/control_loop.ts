/**
 * The shell's loop: observe, step, act. It alone reads the clock and waits; every decision is the core's.
 *
 * Events are fed one at a time. Commands run side by side (the adapter puts those of one domain in order). The end of a
 * command is told to the controller together with an observation that began after it, because nothing is believed but
 * an observation: with an older one the controller would ask for the same thing again.
 */
import type { Action, Command, Reply } from "../core/action.ts";
import { type Step, step } from "../core/controller.ts";
import { type ControllerState, INITIAL_STATE } from "../core/controller_state.ts";
import type { CommandOutcome, ControllerEvent } from "../core/event.ts";
import type { Policy } from "../core/policy.ts";
import type { Answer, VcpuRequest } from "../core/request.ts";
import type { DomainId, Milliseconds } from "../core/units.ts";
import {
  CommandError,
  type Hypervisor,
  type HypervisorChange,
  type Observation,
} from "../hypervisor/port.ts";
import type { Clock } from "./clock.ts";
import { type Stopwatch, wallStopwatch } from "./stopwatch.ts";
import type { UsageWindow } from "./usage_window.ts";

/** A pin is a system call and its read-back; a busy host gets a thousand times that. */
const PIN_DEADLINE_MS: Milliseconds = 2_000;
/** A guest under emulation needs tens of milliseconds per vCPU, a big one under load seconds (pitfall 7). */
const SET_ONLINE_DEADLINE_MS: Milliseconds = 15_000;
/** A guest lets a vCPU go, or finds a new one, within a second; under emulation and load it needs several. */
const PLUG_DEADLINE_MS: Milliseconds = 15_000;
const OBSERVE_DEADLINE_MS: Milliseconds = 5_000;
/** Looks that are asked for in a burst become one: an observation costs about a millisecond. */
const OBSERVE_GAP_MS: Milliseconds = 10;
/**
 * Who asks for a vCPU is answered after the next look, which comes at once and shows what the domains use now; one that
 * takes longer than this is not waited for.
 */
const REQUEST_WAIT_MS: Milliseconds = 50;
/** So many may wait for the next step: one of each guest, and what a person or a program asks for on the host. */
const REQUESTS_WAITING_MAX = 256;
/** How long a clean stop tries to put everything back: a guest that does not answer holds its own pins up for 15 s a try. */
export const RELEASE_DEADLINE_MS: Milliseconds = 60_000;

export interface ControlLoopParts {
  readonly hypervisor: Hypervisor;
  readonly clock: Clock;
  readonly policy: Policy;
  readonly intervalMs: Milliseconds;
  /** Is told of every observation. */
  readonly usage: UsageWindow;
  /** Called with every event and what came of it, before the actions are carried out. */
  readonly onStep: (taken: StepTaken) => void;
  readonly onObservation: (observation: Observation, now: Milliseconds) => void;
  /** How long a step took, its journal record included, or a look. */
  readonly onTook?: (what: "step" | "observation", ms: number) => void;
  /** What that time is taken with. */
  readonly stopwatch?: Stopwatch;
  /** A bug of ours or a full disk: the loop goes on, the message must be seen. */
  readonly onFault: (message: string) => void;
}

export interface StepTaken {
  readonly event: ControllerEvent;
  readonly now: Milliseconds;
  readonly step: Step;
}

export class ControlLoop {
  readonly #parts: ControlLoopParts;
  readonly #stopwatch: Stopwatch;
  #policy: Policy;
  #lastSnapshot = "";
  #ended: Extract<ControllerEvent, { kind: "command-ended" }>[] = [];
  #looking: Promise<void> | null = null;
  #lookAgain = false;
  #lastLook: Milliseconds = 0;
  #tick: NodeJS.Timeout | null = null;
  #wait: NodeJS.Timeout | null = null;
  #soon: NodeJS.Timeout | null = null;
  #requests: VcpuRequest[] = [];
  #requestsDue: NodeJS.Timeout | null = null;
  /** Those on this side of the door who asked: they hear the answer, and no guest does. */
  readonly #hearers = new Map<string, (answer: Answer | null) => void>();
  #state: ControllerState = INITIAL_STATE;
  #started = false;
  #closed = false;

  constructor(parts: ControlLoopParts) {
    this.#parts = parts;
    this.#stopwatch = parts.stopwatch ?? wallStopwatch;
    this.#policy = parts.policy;
  }

  get state(): ControllerState {
    return this.#state;
  }

  get policy(): Policy {
    return this.#policy;
  }

  /** Takes over the state of an earlier life; before `start`. */
  resume(earlier: ControllerState): void {
    this.#state = { ...INITIAL_STATE, ...earlier };
  }

  /** Resolves after the first observation. */
  async start(): Promise<void> {
    this.#started = true;
    this.#feed({ kind: "started" });
    await this.#parts.hypervisor.start((change) => this.#onChange(change));
    await this.#look();
    if (this.#closed) return;
    this.#tick = setInterval(() => this.look(), this.#parts.intervalMs);
  }

  /** Asks for an observation soon; requests in a burst become one. */
  look(): void {
    if (this.#closed || this.#soon !== null) return;
    const due = this.#lastLook + OBSERVE_GAP_MS - this.#parts.clock.now();
    this.#soon = setTimeout(
      () => {
        this.#soon = null;
        void this.#look();
      },
      Math.max(0, due),
    );
  }

  /**
   * A person on the host asks for a domain, under an id that no guest can guess. Resolves with `null` when nothing was
   * decided within the deadline.
   */
  request(request: VcpuRequest, deadline: Milliseconds): Promise<Answer | null> {
    return new Promise((resolve) => {
      const key = requestKey(request.domain, request.id);
      const settle = (answer: Answer | null): void => {
        clearTimeout(timer);
        this.#hearers.delete(key);
        resolve(answer);
      };
      const timer = setTimeout(() => settle(null), deadline);
      this.#hearers.set(key, settle);
      this.#ask(request);
    });
  }

  changePolicy(policy: Policy): void {
    this.#policy = policy;
    // Before the start there is only what an earlier life saw, and nothing is decided from that.
    if (this.#started) this.#feed({ kind: "policy-changed" });
  }

  /** Puts everything back as it was found; returns the domains for which that did not succeed in time. */
  async release(): Promise<readonly DomainId[]> {
    const end = this.#parts.clock.now() + RELEASE_DEADLINE_MS;
    this.#feed({ kind: "release" });
    while (this.#toPutBack().length > 0 && this.#parts.clock.now() < end) {
      await this.#look();
      await new Promise((resolve) => setTimeout(resolve, OBSERVE_GAP_MS));
    }
    return this.#toPutBack();
  }

  /** Those that were changed, also those that this life has not seen yet. */
  #toPutBack(): readonly DomainId[] {
    const { domains, absent } = this.#state;
    const awaited = absent.filter((away) => away.awaited).map(({ memory }) => memory);
    return [...domains, ...awaited].filter(({ touched }) => touched).map(({ id }) => id);
  }

  /** Stops looking and acting; changes nothing on the host. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#tick !== null) clearInterval(this.#tick);
    if (this.#wait !== null) clearTimeout(this.#wait);
    if (this.#soon !== null) clearTimeout(this.#soon);
    if (this.#requestsDue !== null) clearTimeout(this.#requestsDue);
    for (const [, tell] of this.#hearers) tell(null);
    await this.#looking;
    await this.#parts.hypervisor.close();
  }

  #look(): Promise<void> {
    if (this.#looking !== null) {
      this.#lookAgain = true;
      return this.#looking;
    }
    this.#looking = this.#observe().finally(() => {
      this.#looking = null;
      if (!this.#lookAgain) return;
      this.#lookAgain = false;
      this.look();
    });
    return this.#looking;
  }

  async #observe(): Promise<void> {
    if (this.#closed) return;
    const ended = this.#ended.splice(0);
    const took = this.#stopwatch("observation");
    const observation = await this.#parts.hypervisor.observe(OBSERVE_DEADLINE_MS).catch((error: unknown) => {
      this.#parts.onFault(`Cannot observe the host: ${String(error)}; the last observation stays in force`);
      return null;
    });
    this.#parts.onTook?.("observation", took());
    this.#lastLook = this.#parts.clock.now();
    if (observation === null) {
      this.#ended.unshift(...ended);
      return;
    }
    if (this.#closed) return;
    for (const event of ended) this.#feed(event);
    this.#parts.usage.push(observation.usage, this.#lastLook);
    this.#parts.onObservation(observation, this.#lastLook);
    const newUse = this.#parts.usage.newUse();
    const use = newUse === null ? {} : { use: newUse };
    const text = JSON.stringify(observation.snapshot);
    const same = text === this.#lastSnapshot && this.#state.snapshot !== null;
    this.#lastSnapshot = text;
    this.#feed(
      same ? { kind: "unchanged", ...use } : { kind: "observed", snapshot: observation.snapshot, ...use },
    );
    this.#feedRequests();
  }

  #onChange(change: HypervisorChange): void {
    if (change.kind === "guest-asked") this.#ask(change.request);
    else this.look();
  }

  #ask(request: VcpuRequest): void {
    const key = requestKey(request.domain, request.id);
    const isWaiting = this.#requests.some(({ domain, id }) => requestKey(domain, id) === key);
    // One too many is not answered: a guest asks again, and a person is told that nothing was decided.
    if (this.#closed || isWaiting || REQUESTS_WAITING_MAX <= this.#requests.length) return;
    this.#requests.push(request);
    this.#requestsDue ??= setTimeout(() => this.#feedRequests(), REQUEST_WAIT_MS);
    this.look();
  }

  /** All that asked since the last step, together; before the first observation nothing can be decided. */
  #feedRequests(): void {
    if (this.#requestsDue !== null) clearTimeout(this.#requestsDue);
    this.#requestsDue = null;
    if (this.#requests.length === 0 || this.#state.snapshot === null) return;
    this.#feed({ kind: "requested", requests: this.#requests.splice(0) });
  }

  #feed(event: ControllerEvent): void {
    if (this.#closed) return;
    const took = this.#stopwatch("step");
    const now = this.#parts.clock.now();
    const result = step(this.#policy, this.#state, event, now);
    this.#state = result.state;
    // Written down before anything is done, so that a kill in between loses nothing.
    this.#parts.onStep({ event, now, step: result });
    this.#parts.onTook?.("step", took());
    for (const action of result.actions) this.#act(action, now);
  }

  #act(action: Action, now: Milliseconds): void {
    if (action.kind === "wait") {
      if (this.#wait !== null) clearTimeout(this.#wait);
      this.#wait = setTimeout(() => this.look(), Math.max(0, action.until - now));
      return;
    }
    if (action.kind === "reply") {
      this.#reply(action);
      return;
    }
    void this.#carryOut(action).then((outcome) => {
      this.#ended.push({ kind: "command-ended", id: action.id, outcome });
      this.look();
    });
  }

  #reply({ domain, request, answer }: Reply): void {
    const hearer = this.#hearers.get(requestKey(domain, request));
    if (hearer === undefined) this.#parts.hypervisor.answer(domain, request, answer);
    else hearer(answer);
  }

  async #carryOut(command: Command): Promise<CommandOutcome> {
    try {
      await this.#call(command);
      return { ok: true };
    } catch (error) {
      if (error instanceof CommandError) return { ok: false, failure: error.failure, why: error.message };
      this.#parts.onFault(`Internal fault in ${command.kind} of ${command.domain}: ${String(error)}`);
      return { ok: false, failure: "internal", why: String(error) };
    }
  }

  async #call(command: Command): Promise<void> {
    const { hypervisor } = this.#parts;
    switch (command.kind) {
      case "pin-vcpu":
        return hypervisor.pinVcpu(command.domain, command.vcpu, command.pcpus, PIN_DEADLINE_MS);
      case "pin-emulator":
        return hypervisor.pinEmulator(command.domain, command.pcpus, PIN_DEADLINE_MS);
      case "set-online":
        await hypervisor.setOnline(command.domain, command.online, command.mechanism, SET_ONLINE_DEADLINE_MS);
        return;
      case "plug-vcpu":
        await hypervisor.plugVcpu(command.domain, command.slot, PLUG_DEADLINE_MS);
        return;
      case "unplug-vcpu":
        await hypervisor.unplugVcpu(command.domain, command.vcpu, PLUG_DEADLINE_MS);
    }
  }
}

function requestKey(domain: DomainId, id: string): string {
  return JSON.stringify([domain, id]);
}
