/**
 * Keeps a plan until its inputs change. Pins and online sets are not inputs: while they are on their way from an old
 * plan to a new one, a plan made from them could be a third. The base for "fewest moves" is therefore the last plan
 * where a domain has one, and what was found where it has none.
 */
import type { Reply } from "./action.ts";
import { considerDemand } from "./consider_demand.ts";
import type { ControllerState, DomainState } from "./controller_state.ts";
import { makePlan, type PlanDemand } from "./make_plan.ts";
import type { DomainSnapshot, Snapshot } from "./model.ts";
import type { Note } from "./note.ts";
import type { DomainPlan, Move, Plan } from "./plan.ts";
import { type Patience, type Policy, policyOf } from "./policy.ts";
import type { VcpuRequest } from "./request.ts";
import type { Safeguards } from "./safeguards.ts";
import { strictDues } from "./strict_dues.ts";
import type { DomainId, Milliseconds } from "./units.ts";

/** The state with a plan for its present snapshot, and what those who asked are told. */
export function planAnew(
  policy: Policy,
  state: ControllerState,
  { requests, hasLooked, now, safeguards }: PlanAnewOptions,
  notes: Note[],
): { readonly state: ControllerState; readonly replies: readonly Reply[] } {
  if (state.snapshot === null) return { state, replies: [] };
  const snapshot = withLastWords(state.snapshot, { domains: state.domains, patience: policy.patience, now });
  const effective = withGrowthGivenUp(policy, state.domains);
  const planInputs = inputsOf(effective, snapshot);
  const isAsBefore = planInputs === state.planInputs && state.plan !== null;
  const dues = (isAsBefore ? state.dues : null) ?? strictDues(effective, snapshot);
  const considered = considerDemand(
    { policy: effective, state, snapshot, dues, requests, hasLooked, now, safeguards },
    notes,
  );
  const { domains, demand, replies } = considered;
  const demandInputs = demandInputsOf(demand);
  const next = { ...state, domains, dues, planInputs, demandInputs };
  if (isAsBefore && demandInputs === state.demandInputs) return { state: next, replies };
  const plan = makePlan(effective, onTheLastPlan(snapshot, state), demand);
  noteChanges(state.plan, plan, notes);
  return { state: { ...next, plan }, replies };
}

export interface PlanAnewOptions {
  /** All that asked since the last step. */
  readonly requests: readonly VcpuRequest[];
  /** For this step, and not for an earlier one. */
  readonly hasLooked: boolean;
  readonly now: Milliseconds;
  readonly safeguards: Safeguards;
}

/** What guests that ask make of the plan, as text to compare; empty for a plan by weights alone. */
function demandInputsOf({ granted, allotted }: PlanDemand): string {
  if (allotted === null && granted.size === 0) return "";
  return JSON.stringify([[...granted], allotted === null ? null : [...allotted]]);
}

/**
 * A guest that has just fallen silent is planned with its last word for as long as patience says: an agent that starts
 * anew, or a daemon that does, is heard again within moments and must not move a vCPU that is right.
 */
function withLastWords(snapshot: Snapshot, { domains, patience, now }: LastWords): Snapshot {
  if (snapshot.domains.every(({ guest }) => guest !== null)) return snapshot;
  const heard = new Map(domains.map((domain) => [domain.id, domain.heard]));
  return {
    ...snapshot,
    domains: snapshot.domains.map((domain) => {
      const last = heard.get(domain.id) ?? null;
      const holds = domain.guest === null && last !== null && now < last.at + patience.stuckAfter;
      return holds ? { ...domain, guest: last.report } : domain;
    }),
  };
}

interface LastWords {
  readonly domains: readonly DomainState[];
  readonly patience: Patience;
  readonly now: Milliseconds;
}

/** Everything that a plan depends on, as text to compare: what JSON says of [policy, pCPUs, domains]. */
function inputsOf(policy: Policy, { pcpus, domains }: Snapshot): string {
  return `[${policyText(policy)},${pcpusText(pcpus)},[${domains.map(domainText).join(",")}]]`;
}

const policyText = textOf((policy: Policy) => policy);
const pcpusText = textOf((pcpus: Snapshot["pcpus"]) => pcpus);
const domainText = textOf(({ id, incarnation, state, vcpus, guest, memory }: DomainSnapshot) => [
  id,
  incarnation,
  state,
  vcpus.map(({ index, guestSocket, guestCore, guestThread, guestNode }) => [
    index,
    guestSocket,
    guestCore,
    guestThread,
    guestNode,
  ]),
  guest?.vcpus.map(({ index, canOffline }) => [index, canOffline]) ?? null,
  ...(memory === undefined ? [] : [memory]),
]);

/** Most steps see what the step before saw: what never changes need not be written again. */
function textOf<Thing extends object>(partsOf: (thing: Thing) => unknown): (thing: Thing) => string {
  const texts = new WeakMap<Thing, string>();
  return (thing) => {
    const known = texts.get(thing);
    if (known !== undefined) return known;
    const text = JSON.stringify(partsOf(thing));
    texts.set(thing, text);
    return text;
  };
}

/** A guest that would not grow is planned with what it has, so that its share is not left idle. */
function withGrowthGivenUp(policy: Policy, domains: readonly DomainState[]): Policy {
  const limited: Record<DomainId, Policy["defaults"]> = {};
  for (const { id, growthGivenUp } of domains) {
    if (growthGivenUp === null) continue;
    const own = policyOf(policy, id);
    const vcpusMax = Math.min(own.vcpusMax ?? growthGivenUp.vcpus, growthGivenUp.vcpus);
    limited[id] = { ...own, vcpusMax, vcpusMin: Math.min(own.vcpusMin, vcpusMax) };
  }
  if (Object.keys(limited).length === 0) return policy;
  return { ...policy, domains: { ...policy.domains, ...limited } };
}

function onTheLastPlan(snapshot: Snapshot, state: ControllerState): Snapshot {
  const plans = new Map(state.plan?.domains.map((plan) => [plan.id, plan]));
  const lives = new Map(state.domains.map(({ id, touched }) => [id, touched]));
  const domains = snapshot.domains.map((domain) => {
    const plan = plans.get(domain.id);
    return plan === undefined || lives.get(domain.id) !== true ? domain : asPlanned(domain, plan);
  });
  return { ...snapshot, domains };
}

function asPlanned(domain: DomainSnapshot, plan: DomainPlan): DomainSnapshot {
  const planned = new Map(plan.vcpus.map((vcpu) => [vcpu.index, vcpu]));
  return {
    ...domain,
    vcpus: domain.vcpus.map((vcpu) => ({ ...vcpu, pins: planned.get(vcpu.index)?.pcpus ?? vcpu.pins })),
    guest: domain.guest && {
      ...domain.guest,
      vcpus: domain.guest.vcpus.map((vcpu) => ({
        ...vcpu,
        online: planned.get(vcpu.index)?.online ?? vcpu.online,
      })),
    },
  };
}

function noteChanges(before: Plan | null, after: Plan, notes: Note[]): void {
  const targets = new Map(before?.domains.map(({ id, target }) => [id, target]));
  for (const { id, target, reasons } of after.domains) {
    const from = targets.get(id) ?? null;
    if (from !== target) notes.push({ code: "target-changed", domain: id, from, to: target, reasons });
  }
  const moves = new Map<string, Move[]>();
  for (const move of after.moves) {
    const kind = `${move.why.code} ${move.domain}`;
    moves.set(kind, [...(moves.get(kind) ?? []), move]);
  }
  for (const alike of moves.values())
    notes.push({ code: "vcpus-moved", domain: alike[0]!.domain, moves: alike });
  const known = new Set(before?.notes.map((reason) => JSON.stringify(reason)));
  for (const reason of after.notes) {
    if (!known.has(JSON.stringify(reason))) notes.push({ code: "host", reason });
  }
}
