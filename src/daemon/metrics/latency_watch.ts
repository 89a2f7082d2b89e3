/**
 * Times what takes several steps, end to end: a request until its answer and until the vCPU is in use, a new target until
 * the guest has it, a domain's arrival until its vCPUs are where they should be. Fed with every step; pure but for its memory,
 * which holds entries of present domains only.
 */
import type { Action, Command } from "../../core/action.ts";
import type { Step } from "../../core/controller.ts";
import type { ControllerState } from "../../core/controller_state.ts";
import type { ControllerEvent } from "../../core/event.ts";
import type { Note } from "../../core/note.ts";
import type { DomainId, Milliseconds, VcpuIndex } from "../../core/units.ts";
import type { MetricFact } from "./metric_fact.ts";

/** More requests at a time than guests that may ask; the oldest is forgotten. */
const REQUESTS_MAX = 1_024;
const MS_PER_SECOND = 1_000;

export interface WatchedStep {
  readonly event: ControllerEvent;
  readonly now: Milliseconds;
  readonly step: Step;
}

export class LatencyWatch {
  readonly #arrivals = new Map<DomainId, Milliseconds>();
  readonly #targets = new Map<DomainId, Milliseconds>();
  readonly #requests = new Map<string, Milliseconds>();
  readonly #granted = new Map<string, { domain: DomainId; vcpu: VcpuIndex; askedAt: Milliseconds }>();
  readonly #commands = new Map<number, { command: Command["kind"]; at: Milliseconds }>();

  /** What came to its end with this step. */
  take({ event, now, step: { state, actions, notes } }: WatchedStep): MetricFact[] {
    const facts: MetricFact[] = [];
    this.#onEvent(event, now, facts);
    for (const note of notes) this.#onNote(note, now, facts);
    for (const action of actions) this.#onAction(action, now, facts);
    this.#onState(state, now, facts);
    return facts;
  }

  #onEvent(event: ControllerEvent, now: Milliseconds, facts: MetricFact[]): void {
    if (event.kind === "requested") {
      for (const { domain, id } of event.requests) {
        const key = requestKey(domain, id);
        if (!this.#requests.has(key)) this.#requests.set(key, now);
      }
      forgetOldest(this.#requests);
    }
    if (event.kind !== "command-ended") return;
    const given = this.#commands.get(event.id);
    this.#commands.delete(event.id);
    if (given === undefined) return;
    const outcome = event.outcome.ok ? "ok" : event.outcome.failure;
    facts.push({ kind: "command", command: given.command, outcome, seconds: since(given.at, now) });
  }

  #onNote(note: Note, now: Milliseconds, facts: MetricFact[]): void {
    switch (note.code) {
      case "domain-arrived":
        this.#arrivals.set(note.domain, now);
        break;
      case "target-changed":
        this.#targets.set(note.domain, now);
        facts.push({ kind: "change", domain: note.domain });
        break;
      case "vcpus-moved":
        facts.push({ kind: "change", domain: note.domain });
        break;
      case "target-reached":
        this.#end(this.#targets, note.domain, (at) => {
          facts.push({ kind: "target-confirmed", domain: note.domain, seconds: since(at, now) });
        });
        break;
      default:
        break;
    }
  }

  #onAction(action: Action, now: Milliseconds, facts: MetricFact[]): void {
    if (action.kind === "wait") return;
    if (action.kind !== "reply") {
      this.#commands.set(action.id, { command: action.kind, at: now });
      return;
    }
    const { domain, request, answer } = action;
    const key = requestKey(domain, request);
    this.#end(this.#requests, key, (askedAt) => {
      const reason = answer.outcome === "denied" ? answer.why.code : "";
      facts.push({ kind: "answer", domain, reason, seconds: since(askedAt, now) });
      if (answer.outcome === "granted") this.#granted.set(key, { domain, vcpu: answer.vcpu, askedAt });
      forgetOldest(this.#granted);
    });
  }

  #onState({ snapshot, plan }: ControllerState, now: Milliseconds, facts: MetricFact[]): void {
    if (snapshot === null || plan === null) return;
    if (this.#arrivals.size + this.#targets.size + this.#granted.size === 0) return;
    const present = new Map(snapshot.domains.map((domain) => [domain.id, domain]));
    for (const id of [...this.#arrivals.keys(), ...this.#targets.keys()]) {
      if (present.has(id)) continue;
      this.#arrivals.delete(id);
      this.#targets.delete(id);
    }
    for (const id of this.#arrivals.keys()) {
      const planned = plan.domains.find((domain) => domain.id === id);
      const seen = new Map(present.get(id)?.vcpus.map(({ index, pins }) => [index, pins]));
      // Not managed: nobody will pin it.
      if (planned === undefined) this.#arrivals.delete(id);
      else if (planned.vcpus.every(({ index, pcpus }) => isSame(seen.get(index) ?? null, pcpus)))
        this.#end(this.#arrivals, id, (at) =>
          facts.push({ kind: "arrival-pinned", domain: id, seconds: since(at, now) }),
        );
    }
    for (const [key, { domain, vcpu, askedAt }] of this.#granted) {
      const guest = present.get(domain)?.guest;
      if (!present.has(domain)) this.#granted.delete(key);
      if (guest?.vcpus.some(({ index, online }) => index === vcpu && online) !== true) continue;
      this.#granted.delete(key);
      facts.push({ kind: "granted-online", domain, seconds: since(askedAt, now) });
    }
  }

  #end<Key>(begun: Map<Key, Milliseconds>, key: Key, ended: (at: Milliseconds) => void): void {
    const at = begun.get(key);
    if (at === undefined) return;
    begun.delete(key);
    ended(at);
  }
}

function forgetOldest(begun: Map<string, unknown>): void {
  for (const key of begun.keys()) {
    if (begun.size <= REQUESTS_MAX) return;
    begun.delete(key);
  }
}

function requestKey(domain: DomainId, id: string): string {
  return JSON.stringify([domain, id]);
}

function since(at: Milliseconds, now: Milliseconds): number {
  return (now - at) / MS_PER_SECOND;
}

function isSame(a: readonly number[] | null, b: readonly number[]): boolean {
  return a !== null && a.length === b.length && a.every((value, i) => value === b[i]);
}
