/**
 * The shell's loop: observe, step, act. It alone reads the clock and waits; every decision is the core's.
 *
 * Events are fed one at a time. Commands run side by side (the adapter puts those of one domain in order). The end of a
 * command is told to the controller together with an observation that began after it, because nothing is believed but
 * an observation: with an older one the controller would ask for the same thing again.
 */
import type { Action, Command } from "../core/action.ts";
import { type Step, step } from "../core/controller.ts";
import { type ControllerState, INITIAL_STATE } from "../core/controller_state.ts";
import type { CommandOutcome, ControllerEvent } from "../core/event.ts";
import type { Policy } from "../core/policy.ts";
import type { DomainId, Milliseconds } from "../core/units.ts";
import { CommandError, type Hypervisor, type Observation } from "../hypervisor/port.ts";
import type { Clock } from "./clock.ts";

/** A pin is a system call and its read-back; a busy host gets a thousand times that. */
const PIN_DEADLINE_MS: Milliseconds = 2_000;
/** A guest under emulation needs tens of milliseconds per vCPU, a big one under load seconds (pitfall 7). */
const SET_ONLINE_DEADLINE_MS: Milliseconds = 15_000;
/** A guest lets a vCPU go, or finds a new one, within a second; under emulation and load it needs several. */
const PLUG_DEADLINE_MS: Milliseconds = 15_000;
const OBSERVE_DEADLINE_MS: Milliseconds = 5_000;
/** Looks that are asked for in a burst become one: an observation costs about a millisecond. */
const OBSERVE_GAP_MS: Milliseconds = 10;
/** How long a clean stop tries to put everything back: a guest that does not answer holds its own pins up for 15 s a try. */
export const RELEASE_DEADLINE_MS: Milliseconds = 60_000;

export interface ControlLoopParts {
  readonly hypervisor: Hypervisor;
  readonly clock: Clock;
  readonly policy: Policy;
  readonly intervalMs: Milliseconds;
  /** Called with every event and what came of it, before the actions are carried out. */
  readonly onStep: (taken: StepTaken) => void;
  readonly onObservation: (observation: Observation, now: Milliseconds) => void;
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
  #policy: Policy;
  #lastSnapshot = "";
  #ended: Extract<ControllerEvent, { kind: "command-ended" }>[] = [];
  #looking: Promise<void> | null = null;
  #lookAgain = false;
  #lastLook: Milliseconds = 0;
  #tick: NodeJS.Timeout | null = null;
  #wait: NodeJS.Timeout | null = null;
  #soon: NodeJS.Timeout | null = null;
  #state: ControllerState = INITIAL_STATE;
  #started = false;
  #closed = false;

  constructor(parts: ControlLoopParts) {
    this.#parts = parts;
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
    await this.#parts.hypervisor.start(() => this.look());
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
    const observation = await this.#parts.hypervisor.observe(OBSERVE_DEADLINE_MS).catch((error: unknown) => {
      this.#parts.onFault(`Cannot observe the host: ${String(error)}; the last observation stays in force`);
      return null;
    });
    this.#lastLook = this.#parts.clock.now();
    if (observation === null) {
      this.#ended.unshift(...ended);
      return;
    }
    if (this.#closed) return;
    for (const event of ended) this.#feed(event);
    this.#parts.onObservation(observation, this.#lastLook);
    const text = JSON.stringify(observation.snapshot);
    const same = text === this.#lastSnapshot && this.#state.snapshot !== null;
    this.#lastSnapshot = text;
    this.#feed(same ? { kind: "unchanged" } : { kind: "observed", snapshot: observation.snapshot });
  }

  #feed(event: ControllerEvent): void {
    if (this.#closed) return;
    const now = this.#parts.clock.now();
    const result = step(this.#policy, this.#state, event, now);
    this.#state = result.state;
    // Written down before anything is done, so that a kill in between loses nothing.
    this.#parts.onStep({ event, now, step: result });
    for (const action of result.actions) this.#act(action, now);
  }

  #act(action: Action, now: Milliseconds): void {
    if (action.kind === "wait") {
      if (this.#wait !== null) clearTimeout(this.#wait);
      this.#wait = setTimeout(() => this.look(), Math.max(0, action.until - now));
      return;
    }
    if (action.kind === "reply") {
      this.#parts.hypervisor.answer(action.domain, action.request, action.answer);
      return;
    }
    void this.#carryOut(action).then((outcome) => {
      this.#ended.push({ kind: "command-ended", id: action.id, outcome });
      this.look();
    });
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
