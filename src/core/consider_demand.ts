/**
 * Demand between an observation and its plan: who gave a vCPU back, what came of vCPUs that are being plugged, who asks,
 * and what everybody may use after that. The recipe: dues by weights alone (strict_dues.ts), give-back (demand.ts),
 * admission (admission.ts), allotment (allotment.ts); the planner then gives everybody its allotment (make_plan.ts).
 *
 * On a host where nobody asks there is no demand, and all of it costs one look at each domain.
 */
import type { Reply } from "./action.ts";
import { type AdmitOptions, type Answered, admit, allotments } from "./admission.ts";
import { type Asker, askersOf } from "./asker.ts";
import type { ControllerState, DomainState } from "./controller_state.ts";
import {
  type DemandState,
  type DomainDemand,
  planDemandOf,
  remembering,
  reviewDemand,
  withAllotted,
  withEntry,
} from "./demand.ts";
import { NO_PLAN_DEMAND, type PlanDemand } from "./make_plan.ts";
import type { DomainSnapshot, Snapshot, VcpuSlot } from "./model.ts";
import type { Note } from "./note.ts";
import type { Policy } from "./policy.ts";
import type { Answer, Denial, VcpuRequest } from "./request.ts";
import type { Safeguards } from "./safeguards.ts";
import { settlePlugs } from "./settle_plugs.ts";
import { type StrictDues, strictDues } from "./strict_dues.ts";
import type { DomainId, Milliseconds, VcpuIndex } from "./units.ts";

export function considerDemand(options: ConsiderOptions, notes: Note[]): Considered {
  const { state, snapshot, requests, dues, policy, now, safeguards, hasLooked } = options;
  const before = demandOf(state.domains);
  const isQuiet = before.domains.length === 0 && requests.length === 0;
  if (isQuiet && !snapshot.domains.some(({ guest }) => guest?.asks === true)) {
    return { domains: state.domains, demand: NO_PLAN_DEMAND, replies: [] };
  }
  const host: AdmitOptions = {
    ...hostAs(options, snapshot, dues),
    rules: policy.admission,
    now,
    safeguards,
    supposing: (domain, slot) => {
      const supposed = withVcpuIn(snapshot, domain, slot);
      return hostAs(options, supposed, strictDues(policy, supposed));
    },
  };

  const { demand: unplugged, settled } = settlePlugs(before, { snapshot, underWay: state.underWay, now });
  const { demand: reviewed, gaveBack } = reviewDemand(unplugged, host.askers, { now, hasLooked });
  let demand = withAllotted(reviewed, host.askers, allotments(reviewed, host));
  for (const id of gaveBack) notes.push({ code: "gave-back", domain: id, vcpus: allottedOf(demand, id) });

  const replies: Reply[] = [];
  for (const { domain, request, vcpu } of settled) {
    if (vcpu !== null) {
      const loan = dueOf(host.askers, domain) < allottedOf(demand, domain);
      const entry = demand.domains.find(({ id }) => id === domain);
      if (entry === undefined) continue;
      demand = withEntry(demand, remembering(entry, request, { outcome: "granted", vcpu, loan }));
    }
    const answer = demand.domains
      .find(({ id }) => id === domain)
      ?.answers.find(({ id }) => id === request)?.answer;
    if (answer === undefined) continue;
    noteAnswer({ domain, request, answer }, notes);
    replies.push({ kind: "reply", domain, request, answer });
  }

  const admitted = admit(demand, requests, host);
  for (const answered of admitted.answers) {
    const { lender, returned, request } = answered;
    const to = request.domain;
    if (lender !== null) notes.push({ code: "lent-on-request", domain: lender.id, to, left: lender.left });
    if (1 < returned) notes.push({ code: "lending-ended", domain: to, vcpus: returned });
    replies.push(...replyTo(answered, notes));
  }
  noteCallBacks(before, admitted.demand, notes);
  return {
    domains: withDemand(state.domains, admitted.demand),
    demand: planDemandOf(admitted.demand, host.askers),
    replies,
  };
}

export interface ConsiderOptions {
  readonly policy: Policy;
  readonly state: ControllerState;
  /** With the last words of guests that have just fallen silent. */
  readonly snapshot: Snapshot;
  /** By weights alone, for this snapshot. */
  readonly dues: StrictDues;
  readonly requests: readonly VcpuRequest[];
  /** The host was looked at for this step. */
  readonly hasLooked: boolean;
  readonly now: Milliseconds;
  readonly safeguards: Safeguards;
}

export interface Considered {
  readonly domains: readonly DomainState[];
  readonly demand: PlanDemand;
  readonly replies: readonly Reply[];
}

/** A request that cannot be considered yet, or no longer: the same id may be asked again. */
export function putOff(
  requests: readonly Pick<VcpuRequest, "domain" | "id">[],
  daemon: Extract<Denial, { code: "not-now" }>["daemon"],
  notes: Note[],
): readonly Reply[] {
  const answer: Answer = { outcome: "denied", why: { code: "not-now", daemon } };
  return requests.map(({ domain, id }) => {
    noteAnswer({ domain, request: id, answer }, notes);
    return { kind: "reply", domain, request: id, answer };
  });
}

function hostAs(
  { policy, state }: ConsiderOptions,
  { domains }: Snapshot,
  dues: StrictDues,
): { readonly askers: readonly Asker[]; readonly capacity: number } {
  const usage = new Map(state.use.map(({ domain, used }) => [domain, used]));
  const growthGivenUp = new Map(
    state.domains.flatMap(({ id, growthGivenUp: given }) =>
      given === null ? [] : [[id, given.until] as const],
    ),
  );
  const leaving = new Map<DomainId, VcpuIndex[]>();
  for (const { command } of state.underWay) {
    if (command.kind !== "unplug-vcpu") continue;
    leaving.set(command.domain, [...(leaving.get(command.domain) ?? []), command.vcpu]);
  }
  return {
    askers: askersOf({ policy, domains, dues, usage, growthGivenUp, leaving }),
    capacity: dues.capacity,
  };
}

/** The host if the domain had one more vCPU, offline, in this slot. */
function withVcpuIn(snapshot: Snapshot, id: DomainId, slot: VcpuSlot): Snapshot {
  const grown = (domain: DomainSnapshot): DomainSnapshot => {
    const index = 1 + Math.max(...domain.vcpus.map((vcpu) => vcpu.index));
    return { ...domain, vcpus: [...domain.vcpus, { ...slot, index, pins: null }] };
  };
  return {
    ...snapshot,
    domains: snapshot.domains.map((domain) => (domain.id === id ? grown(domain) : domain)),
  };
}

function demandOf(domains: readonly DomainState[]): DemandState {
  return { domains: domains.flatMap(({ demand }) => demand ?? []) };
}

function withDemand(domains: readonly DomainState[], demand: DemandState): readonly DomainState[] {
  const entries = new Map<DomainId, DomainDemand>(demand.domains.map((entry) => [entry.id, entry]));
  // One that is not managed just now keeps its answers.
  return domains.map((domain) => ({ ...domain, demand: entries.get(domain.id) ?? domain.demand ?? null }));
}

function allottedOf({ domains }: DemandState, id: DomainId): number {
  return domains.find((entry) => entry.id === id)?.allotted ?? 0;
}

function dueOf(askers: readonly Asker[], id: DomainId): number {
  return askers.find((asker) => asker.id === id)?.strict ?? 0;
}

function replyTo({ request: { domain, id }, answer, repeated }: Answered, notes: Note[]): readonly Reply[] {
  if (repeated) notes.push({ code: "request-repeated", domain, request: id });
  else if (answer !== null) noteAnswer({ domain, request: id, answer }, notes);
  return answer === null ? [] : [{ kind: "reply", domain, request: id, answer }];
}

interface ToldAnswer {
  readonly domain: DomainId;
  readonly request: string;
  readonly answer: Answer;
}

function noteAnswer({ domain, request, answer }: ToldAnswer, notes: Note[]): void {
  if (answer.outcome === "granted") {
    const { vcpu, loan } = answer;
    notes.push({ code: "request-granted", domain, request, vcpu, loan });
    return;
  }
  const { why } = answer;
  // A flood of requests is one note for each step.
  const isFlood = why.code === "too-often";
  const isNoted = notes.some(
    (note) => note.code === "request-denied" && note.domain === domain && note.why.code === "too-often",
  );
  if (!isFlood || !isNoted) notes.push({ code: "request-denied", domain, request, why });
}

/** Who has less of a loan than before, though it wants as much. */
function noteCallBacks(before: DemandState, { domains }: DemandState, notes: Note[]): void {
  const known = new Map(before.domains.map((entry) => [entry.id, entry]));
  for (const { id, allotted, due, wants } of domains) {
    const earlier = known.get(id);
    if (earlier === undefined || wants < earlier.allotted) continue;
    const called = Math.min(earlier.allotted - allotted, earlier.allotted - due);
    if (0 < called) notes.push({ code: "loan-called-back", domain: id, vcpus: called, left: allotted });
  }
}
