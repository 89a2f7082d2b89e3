/**
 * Admission: a guest asks for one more vCPU (P-12) and gets an answer (P-16 to P-18).
 *
 * - Within its entitlement it is always granted, also when others have borrowed its pCPUs: they lose the loan with the
 *   same decision, and take, confirm, give (reconcile.ts) hands the pCPU over. The wait for each vCPU is bounded: the
 *   patience that the borrowing guest is given (`stuckAfter`), after which its pins are simply narrowed, and two seconds
 *   for the looks and pins (steady_load.property.test.ts). A guest that uses what it is due never gives any of it back.
 * - Beyond it, it is lent what others leave unused, by weighted max-min fairness (allotment.ts). Where no pCPU is free,
 *   the last vCPU of a domain that does not use it is lent for this request (lending.ts).
 * - A guest cannot do harm by asking: what it says decides nothing but its own allotment. It is heard only so often
 *   (request_rate.ts), lent only what the host sees it use (pitfalls 11 and 28), and a grant has to be online before
 *   the next. A lost answer is given again, not granted again.
 * - Where every vCPU that would do is in use, and there is a free slot, one is plugged, and the answer waits until the
 *   guest has it (settle_plugs.ts). Whether it may be is decided as if it were there already.
 * - A domain whose guest cannot ask (silent, or without a load monitor) always has its entitlement.
 *
 * When several ask at once, those within their entitlement come first, then whoever has the least loan for its weight.
 */
import type { AdmissionRules } from "./admission_rules.ts";
import { type Allotment, allot } from "./allotment.ts";
import { type Asker, nextSlot, nextVcpu, nodesOf, onlineCount } from "./asker.ts";
import { type DemandState, type DomainDemand, remembering, withAllotted, withEntry } from "./demand.ts";
import { rememberGrowth, withoutLast } from "./give_back.ts";
import { chooseLender, type LenderCandidate, NOTHING_LENT, rememberLoan, rememberReturn } from "./lending.ts";
import type { VcpuSlot } from "./model.ts";
import type { Answer, Denial, VcpuRequest } from "./request.ts";
import { spend } from "./request_rate.ts";
import { ALL_SAFEGUARDS, type Safeguards } from "./safeguards.ts";
import { type DomainId, MILLI_PER_PCPU, type Milliseconds, type NodeId, type VcpuIndex } from "./units.ts";
import { slotOf } from "./vcpu_slot.ts";

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
  /** The same host if this domain had a vCPU in this slot, too. Absent: nothing can be plugged. */
  readonly supposing?: (domain: DomainId, slot: VcpuSlot) => Pick<AllotOptions, "askers" | "capacity">;
  readonly safeguards?: Safeguards;
}

/**
 * Of its online vCPUs, in percent, a guest has to use this much to be lent more: it need not be saturated, but busy. To wait
 * for a pCPU counts as use, so a guest that others keep off its pCPUs is not taken for an idle one.
 */
const BUSY_PERCENT = 50;
/** The daemon tries to plug for 15 s; then one more look shows whether the vCPU came after all. */
export const PLUG_PATIENCE_MS: Milliseconds = 20_000;

export interface Admitted {
  readonly demand: DemandState;
  readonly answers: readonly Answered[];
}

export interface Answered {
  readonly request: VcpuRequest;
  /** `null`: a vCPU is being plugged for it, and the answer waits for that. */
  readonly answer: Answer | null;
  /** It was heard before; nothing was decided now. */
  readonly repeated: boolean;
  /** Domains whose allotment this grant has made smaller, by id; without the lender. */
  readonly calledBackFrom: readonly DomainId[];
  /** Whose last vCPU was lent for this, and how many it keeps. */
  readonly lender: { readonly id: DomainId; readonly left: number } | null;
  /** How many vCPUs it has back that were lent of its own on request. */
  readonly returned: number;
}

/** How many vCPUs each domain may use now; for `vcpusMax` of the plan. In the order of `askers`. */
export function allotments(demand: DemandState, { askers, capacity, rules }: AllotOptions): Allotment[] {
  const entries = new Map(demand.domains.map((entry) => [entry.id, entry]));
  return allot(
    capacity,
    askers.map(({ id, weight, strict, least, most, asks, hears }) => {
      const entry = entries.get(id);
      // The pCPU of a vCPU that is being plugged is kept for it.
      const coming = entry?.plugging == null ? 0 : 1;
      const lendable = rules.loansMax === null ? most : strict + rules.loansMax;
      const wants = entry === undefined ? strict : Math.min(most + coming, lendable + coming, entry.wants);
      // Who cannot ask lends nothing and borrows nothing, and so does everybody under strict weights.
      const fixed = !asks || !hears || rules.mode === "strict";
      return { weight, strict, least, wants: fixed ? strict : wants, present: entry?.allotted ?? strict };
    }),
  );
}

export type AllotOptions = Pick<AdmitOptions, "askers" | "capacity" | "rules">;

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
  const answered = (answer: Answer | null, rest: Partial<Answered> = {}): Answered => ({
    request,
    answer,
    repeated: false,
    calledBackFrom: [],
    lender: null,
    returned: 0,
    ...rest,
  });
  const denied = (why: Denial) => answered({ outcome: "denied", why });
  if (index === -1 || entry === undefined) return { demand, answered: denied({ code: "unknown-domain" }) };
  if (options.safeguards?.answerOnce !== false) {
    const known = entry.answers.find(({ id }) => id === request.id);
    if (known !== undefined) return { demand, answered: answered(known.answer, { repeated: true }) };
    if (entry.plugging?.request === request.id)
      return { demand, answered: answered(null, { repeated: true }) };
  }
  const { allowance, retryAfter } = spend(entry.allowance, now);
  if (0 < retryAfter) {
    const answer = denied({ code: "too-often", retryAfter });
    return { demand: withEntry(demand, { ...entry, allowance }), answered: answer };
  }

  const asker = askers[index]!;
  const before = allotments(demand, options);
  const decision = decide(request, { asker, entry, allotment: before[index]!, demand, options, index });
  const heard = { ...entry, allowance };
  if (decision.kind === "denied") {
    const answer: Answer = { outcome: "denied", why: decision.why };
    return {
      demand: withEntry(demand, remembering(heard, request.id, answer)),
      answered: answered(answer),
    };
  }
  const { target } = before[index]!;
  const use = rememberGrowth(entry.use, { usage: asker.usage, vcpus: target, now });
  const lending = entry.lending ?? NOTHING_LENT;
  const answer: Answer | null =
    decision.kind === "plug" ? null : { outcome: "granted", vcpu: decision.vcpu, loan: decision.loan };
  const grown: DomainDemand =
    decision.kind === "plug"
      ? { ...heard, use, wants: target + 1, plugging: pluggingOf(request, decision.slot, { target, now }) }
      : {
          ...remembering(heard, request.id, answer!),
          use,
          wants: wantsAfter(heard, asker, target),
          lending: rememberReturn(lending, now),
          granted: [...entry.granted, decision.vcpu],
        };
  const { lender } = decision;
  const lent = lender === null ? demand : withLoanOf(demand, lender, options);
  const wanted = withEntry(lent, grown);
  const after = allotments(wanted, options);
  const calledBackFrom = askers
    .filter(({ id }, other) => after[other]!.target < before[other]!.target && id !== lender?.id)
    .map(({ id }) => id);
  return {
    demand: withAllotted(wanted, askers, after),
    answered: answered(answer, {
      calledBackFrom,
      lender: lender === null ? null : { id: lender.id, left: lender.vcpus - 1 },
      returned: decision.kind === "plug" ? 0 : (lending.lent?.vcpus ?? 0),
    }),
  };
}

/** One more; and what was lent of its own on request comes back with it. */
function wantsAfter({ lending }: DomainDemand, { strict }: Asker, target: number): number {
  return Math.max(target + 1, Math.min(strict, target + (lending?.lent?.vcpus ?? 0)));
}

function pluggingOf(
  { id }: VcpuRequest,
  slot: VcpuSlot,
  { target, now }: { readonly target: number; readonly now: Milliseconds },
): DomainDemand["plugging"] {
  return { request: id, slot: slotOf(slot), from: target, until: now + PLUG_PATIENCE_MS, failed: null };
}

interface DecideOptions {
  readonly asker: Asker;
  readonly entry: DomainDemand;
  readonly allotment: Allotment;
  readonly demand: DemandState;
  readonly options: AdmitOptions;
  readonly index: number;
}

type Decision =
  | { readonly kind: "denied"; readonly why: Denial }
  | ({ readonly kind: "grant"; readonly vcpu: VcpuIndex } & OneMore)
  | ({ readonly kind: "plug"; readonly slot: VcpuSlot } & OneMore);

interface OneMore {
  readonly loan: boolean;
  /** Whose last vCPU this takes, though it did not give it back. */
  readonly lender: LenderCandidate | null;
}

function decide(request: VcpuRequest, context: DecideOptions): Decision {
  const denied = (why: Denial): Decision => ({ kind: "denied", why });
  const { asker, allotment, options } = context;
  const { target } = allotment;
  const hindrance = hindranceOf(request, asker) ?? limitOf(context);
  if (hindrance !== null) return denied(hindrance);
  const node = nodeOf(request);
  const vcpu = nextVcpu(asker, node);
  if (vcpu !== null && target < asker.most) {
    const more = oneMore(context, options);
    if (more === null) return denied({ code: "no-free-pcpu", target, strict: asker.strict });
    return { kind: "grant", vcpu, ...more };
  }
  const slot = nextSlot(asker, node);
  if (slot === null || options.supposing === undefined) return denied(nothingLeft(asker, node));
  const more = oneMore(context, { ...options, ...options.supposing(asker.id, slot) });
  if (more === null) return denied({ code: "no-free-pcpu", target, strict: asker.strict });
  return { kind: "plug", slot, ...more };
}

/** `null`: there is no pCPU for one more, nor anybody who can do without one. */
function oneMore(
  { entry, allotment: { target }, demand, index }: DecideOptions,
  host: AdmitOptions,
): OneMore | null {
  const wanting = withEntry(demand, { ...entry, wants: target + 1 });
  const free = allotments(wanting, host)[index]!;
  if (target < free.target) return { loan: 0 < free.loan, lender: null };
  const lender = chooseLender(lendersBut(entry, host, demand));
  if (lender === undefined) return null;
  // Whoever has borrowed less for its weight and still wants more comes before it.
  const lent = allotments(withLoanOf(wanting, lender, host), host)[index]!;
  return target < lent.target ? { loan: 0 < lent.loan, lender } : null;
}

/** Who cannot ask back is not lent from, nor who waits for vCPUs of its own. */
function lendersBut(
  { id: borrower }: DomainDemand,
  host: AdmitOptions,
  demand: DemandState,
): LenderCandidate[] {
  const entries = new Map(demand.domains.map((entry) => [entry.id, entry]));
  const twoLooks = (host.safeguards ?? ALL_SAFEGUARDS).lendAfterTwoLooks;
  return host.askers.flatMap((asker): LenderCandidate[] => {
    const entry = entries.get(asker.id);
    if (entry === undefined || asker.id === borrower) return [];
    if (!asker.asks || !asker.hears || asker.state === "paused" || entry.allotted <= asker.least) return [];
    if (entry.plugging !== null || 0 < entry.granted.length) return [];
    const { id, use, lending = NOTHING_LENT, allotted } = entry;
    return [{ id, use, lending, vcpus: allotted, twoLooks }];
  });
}

function withLoanOf(
  demand: DemandState,
  { id, vcpus }: LenderCandidate,
  { askers, now }: AdmitOptions,
): DemandState {
  const entry = demand.domains.find((other) => other.id === id)!;
  const strict = askers.find((asker) => asker.id === id)?.strict ?? 0;
  const { use, lending = NOTHING_LENT } = entry;
  return withEntry(demand, {
    ...entry,
    wants: vcpus - 1,
    use: withoutLast(use, { vcpus }),
    lending: rememberLoan(lending, { quietSince: use.quietSince ?? now, isOwn: vcpus <= strict }),
  });
}

/** What the guest would have to change. */
function hindranceOf({ exceeded, target, origin }: VcpuRequest, asker: Asker): Denial | null {
  if (asker.state === "paused") return { code: "paused" };
  if (!asker.hears) return { code: "silent-guest" };
  if (!asker.asks) return { code: "no-load-monitor" };
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
function limitOf({ asker, entry, allotment, options }: DecideOptions): Denial | null {
  const { strict, most, ceiling, usage, growthGivenUpUntil } = asker;
  const { rules, now, safeguards = ALL_SAFEGUARDS } = options;
  const { target, loan } = allotment;
  const online = onlineCount(asker);
  if (entry.plugging !== null) return { code: "being-plugged", node: entry.plugging.slot.guestNode };
  if (ceiling <= target) {
    return growthGivenUpUntil === null
      ? { code: "at-vcpus-max", vcpusMax: ceiling }
      : { code: "would-not-grow", vcpus: ceiling, retryAfter: Math.max(0, growthGivenUpUntil - now) };
  }
  if (online < target) return { code: "still-growing", online, target };
  if (most <= target && asker.freeSlots.length === 0) return { code: "no-vcpu-left", vcpus: most };
  if (target < strict) return null;
  if (rules.mode === "strict") return { code: "strict-weights", strict };
  if (rules.loansMax !== null && rules.loansMax <= loan) {
    return { code: "at-loan-quota", loansMax: rules.loansMax };
  }
  const least = (target * MILLI_PER_PCPU * BUSY_PERCENT) / 100;
  if (safeguards.lendOnlyToBusy && usage !== null && usage < least) return { code: "not-busy", usage, least };
  return null;
}

function nothingLeft({ vcpus, freeSlots }: Asker, node: NodeId | null): Denial {
  if (node === null) return { code: "no-vcpu-left", vcpus: vcpus.length };
  return 0 < freeSlots.length ? { code: "no-slot-on-node", node } : { code: "node-has-no-vcpu-left", node };
}

function nodeOf({ target }: Pick<VcpuRequest, "target">): NodeId | null {
  if (target === null) return null;
  return target.kind === "node" ? target.node : target.id;
}
