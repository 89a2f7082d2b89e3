/**
 * Admission: a guest asks for one more vCPU (P-12) and gets an answer (P-16 to P-18).
 *
 * - Within its entitlement it is always granted, also when others have borrowed its pCPUs: they lose the loan with the
 *   same decision, and take, confirm, give (reconcile.ts) hands the pCPU over. What bounds the wait is the patience
 *   that the borrowing guest is given (`stuckAfter`), after which its pins are simply narrowed.
 * - Beyond it, it is lent what others leave unused, by weighted max-min fairness (allotment.ts).
 * - A guest cannot do harm by asking: what it says decides nothing but its own allotment. It is heard only so often
 *   (request_rate.ts), lent only what the host sees it use (pitfalls 11 and 28), and a grant has to be online before
 *   the next. A lost answer is given again, not granted again.
 * - A domain whose guest cannot ask (silent, or without a load monitor) always has its entitlement.
 *
 * When several ask at once, those within their entitlement come first, then whoever has the least loan for its weight.
 */
import type { AdmissionRules } from "./admission_rules.ts";
import { type Allotment, allot } from "./allotment.ts";
import { type Asker, nextVcpu, nodesOf, onlineCount } from "./asker.ts";
import { type DemandState, type DomainDemand, withAllotted } from "./demand.ts";
import { rememberGrowth } from "./give_back.ts";
import type { Answer, Denial, VcpuRequest } from "./request.ts";
import { spend } from "./request_rate.ts";
import { type DomainId, MILLI_PER_PCPU, type Milliseconds, type NodeId } from "./units.ts";

/** The answers in the order in which they were decided. `demand` is of the same domains as `askers`. */
export function admit(
  demand: DemandState,
  requests: readonly VcpuRequest[],
  options: AdmitOptions,
): Admitted {
  const answers: Answered[] = [];
  let state = demand;
  for (const request of inFairOrder(state, requests, options)) {
    const admitted = admitOne(state, request, options);
    state = admitted.demand;
    answers.push(admitted.answered);
  }
  return { demand: state, answers };
}

export interface AdmitOptions {
  /** Ordered by id. */
  readonly askers: readonly Asker[];
  /** Whole pCPUs that may be divided. */
  readonly capacity: number;
  readonly rules: AdmissionRules;
  readonly now: Milliseconds;
}

/** Of its online vCPUs, in percent, a guest has to use this much to be lent more: it need not be saturated, but busy. */
const BUSY_PERCENT = 50;
/** So many answers are remembered for each domain: a guest asks one at a time, and a late repetition is rare. */
const ANSWERS_KEPT = 8;

export interface Admitted {
  readonly demand: DemandState;
  readonly answers: readonly Answered[];
}

export interface Answered {
  readonly request: VcpuRequest;
  readonly answer: Answer;
  /** It was answered before; nothing was decided now. */
  readonly repeated: boolean;
  /** Domains whose allotment this grant has made smaller, by id. */
  readonly calledBackFrom: readonly DomainId[];
}

/** How many vCPUs each domain may use now; for `vcpusMax` of the plan. In the order of `askers`. */
export function allotments(demand: DemandState, { askers, capacity, rules }: AllotOptions): Allotment[] {
  const entries = new Map(demand.domains.map((entry) => [entry.id, entry]));
  return allot(
    capacity,
    askers.map(({ id, weight, strict, least, most, asks, hears }) => {
      const entry = entries.get(id);
      const wants = entry === undefined ? strict : Math.min(most, entry.wants);
      // Who cannot ask lends nothing and borrows nothing, and so does everybody under strict weights.
      const fixed = !asks || !hears || rules.mode === "strict";
      return { weight, strict, least, wants: fixed ? strict : wants, present: entry?.allotted ?? strict };
    }),
  );
}

export type AllotOptions = Omit<AdmitOptions, "now">;

function inFairOrder(demand: DemandState, requests: readonly VcpuRequest[], options: AdmitOptions) {
  if (requests.length < 2) return requests;
  const present = allotments(demand, options);
  const standing = new Map(
    options.askers.map(({ id, weight, strict }, index) => {
      const { target, loan } = present[index]!;
      return [id, target < strict ? 0 : (loan + 1) / weight];
    }),
  );
  const standingOf = ({ domain }: VcpuRequest) => standing.get(domain) ?? 0;
  return requests.toSorted(
    (a, b) => standingOf(a) - standingOf(b) || (a.domain < b.domain ? -1 : a.domain > b.domain ? 1 : 0),
  );
}

function admitOne(demand: DemandState, request: VcpuRequest, options: AdmitOptions) {
  const { askers, now } = options;
  const index = askers.findIndex(({ id }) => id === request.domain);
  const entry = demand.domains.find(({ id }) => id === request.domain);
  const answered = (answer: Answer, rest: Partial<Answered> = {}): Answered => ({
    request,
    answer,
    repeated: false,
    calledBackFrom: [],
    ...rest,
  });
  const denied = (why: Denial) => answered({ outcome: "denied", why });
  if (index === -1 || entry === undefined) return { demand, answered: denied({ code: "unknown-domain" }) };
  const known = entry.answers.find(({ id }) => id === request.id);
  if (known !== undefined) return { demand, answered: answered(known.answer, { repeated: true }) };
  const { allowance, retryAfter } = spend(entry.allowance, now);
  if (0 < retryAfter) {
    const answer = denied({ code: "too-often", retryAfter });
    return { demand: withEntry(demand, { ...entry, allowance }), answered: answer };
  }

  const asker = askers[index]!;
  const before = allotments(demand, options);
  const decision = decide(request, { asker, entry, allotment: before[index]!, demand, options, index });
  const heard = { ...entry, allowance };
  if (decision.answer.outcome === "denied") {
    return {
      demand: withEntry(demand, remembering(heard, request, decision.answer)),
      answered: answered(decision.answer),
    };
  }
  const { target } = before[index]!;
  const after = decision.after!;
  const grown: DomainDemand = {
    ...remembering(heard, request, decision.answer),
    wants: target + 1,
    granted: [...entry.granted, decision.answer.vcpu],
    use: rememberGrowth(entry.use, { usage: asker.usage, vcpus: target, now }),
  };
  const allotted = withAllotted(withEntry(demand, grown), askers, after);
  const calledBackFrom = askers.filter((_, other) => after[other]!.target < before[other]!.target);
  return {
    demand: allotted,
    answered: answered(decision.answer, { calledBackFrom: calledBackFrom.map(({ id }) => id) }),
  };
}

interface DecideOptions {
  readonly asker: Asker;
  readonly entry: DomainDemand;
  readonly allotment: Allotment;
  readonly demand: DemandState;
  readonly options: AdmitOptions;
  readonly index: number;
}

interface Decision {
  readonly answer: Answer;
  /** Everybody's allotment if it is granted. */
  readonly after: readonly Allotment[] | null;
}

function decide(request: VcpuRequest, context: DecideOptions): Decision {
  const denied = (why: Denial): Decision => ({ answer: { outcome: "denied", why }, after: null });
  const { asker, entry, allotment, demand, options, index } = context;
  const { target } = allotment;
  const hindrance = hindranceOf(request, asker) ?? limitOf(asker, allotment, options.rules);
  if (hindrance !== null) return denied(hindrance);
  const node = nodeOf(request);
  const vcpu = nextVcpu(asker, node);
  if (vcpu === null) return denied(nothingLeft(asker, node));
  const after = allotments(withEntry(demand, { ...entry, wants: target + 1 }), options);
  const loan = 0 < after[index]!.loan;
  if (after[index]!.target <= target) return denied({ code: "no-free-pcpu", target, strict: asker.strict });
  return { answer: { outcome: "granted", vcpu, loan }, after };
}

/** What the guest would have to change. */
function hindranceOf({ exceeded, target, origin }: VcpuRequest, asker: Asker): Denial | null {
  if (asker.state === "paused") return { code: "paused" };
  if (!asker.hears || !asker.asks) return { code: "silent-guest" };
  if (origin === "monitor") {
    const { value, threshold } = exceeded ?? { value: 0, threshold: 0 };
    // Strictly (P-68); what is not a number exceeds nothing.
    if (!(threshold < value)) return { code: "not-exceeded", value, threshold };
  }
  const nodes = nodesOf(asker);
  const node = nodeOf({ target });
  if (node !== null && !nodes.includes(node)) return { code: "no-such-node", node, nodes };
  return null;
}

/** What stands in the way on the host's side, before anybody looks for a pCPU. */
function limitOf(asker: Asker, { target, loan }: Allotment, rules: AdmissionRules): Denial | null {
  const { strict, most, usage } = asker;
  const online = onlineCount(asker);
  if (online < target) return { code: "still-growing", online, target };
  if (most <= target) {
    return most < asker.vcpus.length
      ? { code: "at-vcpus-max", vcpusMax: most }
      : { code: "no-vcpu-left", vcpus: most };
  }
  if (target < strict) return null;
  if (rules.mode === "strict") return { code: "strict-weights", strict };
  if (rules.loansMax !== null && rules.loansMax <= loan) {
    return { code: "at-loan-quota", loansMax: rules.loansMax };
  }
  const least = (target * MILLI_PER_PCPU * BUSY_PERCENT) / 100;
  if (usage !== null && usage < least) return { code: "not-busy", usage, least };
  return null;
}

function nothingLeft(asker: Asker, node: NodeId | null): Denial {
  return node === null
    ? { code: "no-vcpu-left", vcpus: asker.vcpus.length }
    : { code: "node-has-no-vcpu-left", node };
}

function nodeOf({ target }: Pick<VcpuRequest, "target">): NodeId | null {
  if (target === null) return null;
  return target.kind === "node" ? target.node : target.id;
}

function remembering(entry: DomainDemand, { id }: VcpuRequest, answer: Answer): DomainDemand {
  return { ...entry, answers: [...entry.answers, { id, answer }].slice(-ANSWERS_KEPT) };
}

function withEntry(demand: DemandState, entry: DomainDemand): DemandState {
  return { domains: demand.domains.map((other) => (other.id === entry.id ? entry : other)) };
}
