/**
 * The shell around the shipped controller in simulated time: observe, step, act, as the daemon's loop does with a real
 * host. It decides nothing. Events are fed one at a time; the end of a command is told together with an observation
 * that began after it; what an earlier life had under way is never told to a later one.
 *
 * Whoever drives it says when a look begins and ends, so that an observation may take time or fail.
 */
import type { Action, Reply } from "../../core/action.ts";
import { type Step, step } from "../../core/controller.ts";
import { type ControllerState, INITIAL_STATE } from "../../core/controller_state.ts";
import type { CommandOutcome, ControllerEvent, DomainUse } from "../../core/event.ts";
import type { Snapshot } from "../../core/model.ts";
import type { Policy } from "../../core/policy.ts";
import type { VcpuRequest } from "../../core/request.ts";
import { ALL_SAFEGUARDS, type Safeguards } from "../../core/safeguards.ts";
import type { Milliseconds } from "../../core/units.ts";

export type CommandAction = Exclude<Action, { kind: "wait" | "reply" }>;
type CommandEnded = Extract<ControllerEvent, { kind: "command-ended" }>;

export interface ShellParts {
  readonly policy: Policy;
  readonly safeguards?: Safeguards;
  /** Another controller than the shipped one: for a test that plants a fault and must see it found. */
  readonly controller?: typeof step;
  /** The state of an earlier life, as a journal keeps it. */
  readonly earlier?: ControllerState;
  /** Called after every step, before its actions are carried out. */
  readonly onStep?: (taken: StepTaken) => void;
  /** Begins a command; `ended` is to be called once, later. */
  readonly carryOut: (action: CommandAction) => void;
  /** Tells who asked; absent where nobody does. */
  readonly answer?: (reply: Reply) => void;
  /** A look is worthwhile then. */
  readonly wakeAt: (at: Milliseconds) => void;
}

export interface StepTaken {
  readonly event: ControllerEvent;
  readonly now: Milliseconds;
  readonly policy: Policy;
  readonly before: ControllerState;
  readonly step: Step;
}

export class SimulatedShell {
  readonly #parts: ShellParts;
  #policy: Policy;
  #state: ControllerState;
  #ended: CommandEnded[] = [];
  /** Those that had ended when the look under way began. */
  #toTell: CommandEnded[] = [];
  #lastSnapshot = "";
  #lastUse = "";

  constructor(parts: ShellParts) {
    this.#parts = parts;
    this.#policy = parts.policy;
    this.#state = { ...INITIAL_STATE, ...parts.earlier };
  }

  get state(): ControllerState {
    return this.#state;
  }

  get policy(): Policy {
    return this.#policy;
  }

  start(now: Milliseconds): void {
    this.#feed({ kind: "started" }, now);
  }

  changePolicy(policy: Policy, now: Milliseconds): void {
    this.#policy = policy;
    this.#feed({ kind: "policy-changed" }, now);
  }

  release(now: Milliseconds): void {
    this.#feed({ kind: "release" }, now);
  }

  commandEnded(id: number, outcome: CommandOutcome): void {
    this.#ended.push({ kind: "command-ended", id, outcome });
  }

  /** All that asked at this moment. */
  request(requests: readonly VcpuRequest[], now: Milliseconds): void {
    this.#feed({ kind: "requested", requests }, now);
  }

  beginLook(): void {
    this.#toTell.push(...this.#ended.splice(0));
  }

  /**
   * `null`: the look failed; the last observation stays in force, and what had ended is told with the next one. `use` is
   * what the host measured, ordered by id and in `USE_STEP`s; absent where nobody measures.
   */
  endLook(snapshot: Snapshot | null, now: Milliseconds, use?: readonly DomainUse[]): void {
    if (snapshot === null) return;
    for (const event of this.#toTell.splice(0)) this.#feed(event, now);
    const text = JSON.stringify(snapshot);
    const isSame = text === this.#lastSnapshot && this.#state.snapshot !== null;
    this.#lastSnapshot = text;
    const news = this.#newsOf(use);
    this.#feed(isSame ? { kind: "unchanged", ...news } : { kind: "observed", snapshot, ...news }, now);
  }

  #newsOf(use: readonly DomainUse[] | undefined): { readonly use?: readonly DomainUse[] } {
    if (use === undefined) return {};
    const text = JSON.stringify(use);
    if (text === this.#lastUse) return {};
    this.#lastUse = text;
    return { use };
  }

  #feed(event: ControllerEvent, now: Milliseconds): void {
    const before = this.#state;
    const { controller = step, safeguards = ALL_SAFEGUARDS } = this.#parts;
    const taken = controller(this.#policy, before, event, now, safeguards);
    this.#state = taken.state;
    this.#parts.onStep?.({ event, now, policy: this.#policy, before, step: taken });
    for (const action of taken.actions) {
      if (action.kind === "wait") this.#parts.wakeAt(action.until);
      else if (action.kind === "reply") this.#parts.answer?.(action);
      else this.#parts.carryOut(action);
    }
  }
}
