/**
 * Demand: how many vCPUs each domain wants, and what it was told. It lives as long as the domain, changes only by
 * granted requests (admission.ts) and by give-back (give_back.ts), and is plain data, so that the journal replays it.
 */
import type { Allotment } from "./allotment.ts";
import { type Asker, onlineCount } from "./asker.ts";
import { judgeUse, NO_USE_YET, type UseMemory } from "./give_back.ts";
import { type Lending, NOTHING_LENT, watchUse } from "./lending.ts";
import type { PlanDemand } from "./make_plan.ts";
import type { VcpuSlot } from "./model.ts";
import type { Answer } from "./request.ts";
import { type Allowance, fullAllowance } from "./request_rate.ts";
import type { DomainId, Milliseconds, VcpuIndex } from "./units.ts";

/** Ordered by id; `reviewDemand` makes it one for each asker. */
export interface DemandState {
  readonly domains: readonly DomainDemand[];
}

export interface DomainDemand {
  readonly id: DomainId;
  /** vCPUs that it wants; it has fewer while others need their own. */
  readonly wants: number;
  /** What it was due by weights at the last look. */
  readonly due: number;
  /** vCPUs that it may use: the last allotment. */
  readonly allotted: number;
  /** Granted and not online yet: the plan should choose these. */
  readonly granted: readonly VcpuIndex[];
  readonly use: UseMemory;
  /** What it lends to those who ask; absent where a state was journalled before there was such lending. */
  readonly lending?: Lending;
  readonly allowance: Allowance;
  /** The last ones, so that a lost answer is given again. */
  readonly answers: readonly { readonly id: string; readonly answer: Answer }[];
  /** A request that waits for its vCPU to be plugged. */
  readonly plugging: Plugging | null;
}

/** One at a time: a guest asks for one vCPU (P-12) and waits for the answer. */
export interface Plugging {
  /** The id of the request. */
  readonly request: string;
  readonly slot: VcpuSlot;
  /** How many vCPUs it may use until then. */
  readonly from: number;
  /** No vCPU there by then: it failed. */
  readonly until: Milliseconds;
  /** The adapter's sentence, once the command failed for good. */
  readonly failed: string | null;
}

export const NO_DEMAND: DemandState = { domains: [] };

/**
 * After an observation: who came and went, whose guest can no longer ask, and who has been quiet for long enough to
 * give a vCPU back. At most one vCPU for each domain in one call. `gaveBack` is ordered by id.
 */
export function reviewDemand(
  demand: DemandState,
  askers: readonly Asker[],
  { now, hasLooked }: ReviewMoment,
): Reviewed {
  const known = new Map(demand.domains.map((entry) => [entry.id, entry]));
  const gaveBack: DomainId[] = [];
  const domains = askers.map((asker): DomainDemand => {
    const last = known.get(asker.id);
    if (last === undefined) return newcomer(asker, now);
    const entry = withDue(last, asker.strict);
    const granted = stillOffline(entry.granted, asker);
    // Who cannot ask back what it lends does not lend, and has its entitlement when it can ask again.
    if (!asker.asks || !asker.hears) {
      const wants = Math.max(entry.wants, asker.strict);
      return { ...entry, granted, wants, use: NO_USE_YET, lending: NOTHING_LENT };
    }
    const lending = hasLooked ? watched(entry, asker, now) : (entry.lending ?? NOTHING_LENT);
    // While vCPUs come and go, the use says nothing about how many are needed.
    if (asker.state === "paused" || onlineCount(asker) !== entry.allotted || entry.allotted <= asker.least) {
      return { ...entry, granted, lending, use: { ...entry.use, quietSince: null } };
    }
    const look = { usage: asker.usage, vcpus: entry.allotted, now };
    const { memory, givesBack } = judgeUse(entry.use, look);
    if (givesBack) gaveBack.push(entry.id);
    return { ...entry, granted, lending, use: memory, wants: givesBack ? entry.allotted - 1 : entry.wants };
  });
  return { demand: { domains }, gaveBack };
}

interface ReviewMoment {
  readonly now: Milliseconds;
  /** The use is of a new look at the host, and not the one that was judged before. */
  readonly hasLooked: boolean;
}

export interface Reviewed {
  readonly demand: DemandState;
  readonly gaveBack: readonly DomainId[];
}

/** The demand with what everybody may use now; `allotments` are in the order of `askers`. */
export function withAllotted(
  demand: DemandState,
  askers: readonly Asker[],
  allotments: readonly Allotment[],
): DemandState {
  const targets = new Map(askers.map(({ id }, index) => [id, allotments[index]!.target]));
  return {
    domains: demand.domains.map((entry) => {
      const allotted = targets.get(entry.id) ?? entry.allotted;
      return allotted === entry.allotted ? entry : { ...entry, allotted };
    }),
  };
}

/**
 * What the planner has to know. Where everybody may use what it is due, and so always under strict weights, the plan is
 * the one by weights alone.
 */
export function planDemandOf({ domains }: DemandState, askers: readonly Asker[]): PlanDemand {
  const leasts = new Map(askers.map(({ id, least }) => [id, least]));
  // What is kept for a vCPU that is being plugged is not for another one.
  const allotted = new Map(
    domains.map(({ id, allotted, plugging }) => {
      const kept = plugging === null ? allotted : Math.max(plugging.from, leasts.get(id) ?? 1);
      return [id, Math.min(allotted, kept)];
    }),
  );
  const isStrict = askers.every(({ id, strict }) => (allotted.get(id) ?? strict) === strict);
  return { granted: grantedIn({ domains }), allotted: isStrict ? null : allotted };
}

function grantedIn({ domains }: DemandState): PlanDemand["granted"] {
  return new Map(domains.filter(({ granted }) => 0 < granted.length).map(({ id, granted }) => [id, granted]));
}

export function withEntry(demand: DemandState, entry: DomainDemand): DemandState {
  return { domains: demand.domains.map((other) => (other.id === entry.id ? entry : other)) };
}

/** So many answers are remembered for each domain: a guest that asks once a second may repeat one a quarter of a minute late. */
const ANSWERS_KEPT = 16;

export function remembering(entry: DomainDemand, id: string, answer: Answer): DomainDemand {
  return { ...entry, answers: [...entry.answers, { id, answer }].slice(-ANSWERS_KEPT) };
}

/** A guest that waits for vCPUs cannot show how many it needs; one that has more than it may use can. */
function watched({ lending = NOTHING_LENT, allotted }: DomainDemand, asker: Asker, now: Milliseconds) {
  const isTelling = asker.state === "running" && allotted <= onlineCount(asker);
  return watchUse(lending, isTelling ? asker.usage : null, now);
}

/** Who never said that it needs less has all that it is due, also when that has become more. */
function withDue(entry: DomainDemand, due: number): DomainDemand {
  if (entry.due === due) return entry;
  return { ...entry, due, wants: entry.due <= entry.wants ? Math.max(entry.wants, due) : entry.wants };
}

/** A guest that has just come has what it is due, until its use shows that it needs less. */
function newcomer({ id, strict }: Asker, now: Milliseconds): DomainDemand {
  return {
    id,
    wants: strict,
    due: strict,
    allotted: strict,
    granted: [],
    use: NO_USE_YET,
    lending: NOTHING_LENT,
    allowance: fullAllowance(now),
    answers: [],
    plugging: null,
  };
}

function stillOffline(granted: readonly VcpuIndex[], { vcpus }: Asker): readonly VcpuIndex[] {
  if (granted.length === 0) return granted;
  return granted.filter((index) => vcpus.some(({ vcpu, inUse }) => vcpu.index === index && !inUse));
}
