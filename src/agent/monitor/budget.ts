/**
 * The governor: holds the load monitor to a share of one vCPU (0.8 % unless the guest's file says otherwise), however slow
 * the machine, by what the kernel says that the agent has used. It is an account: time pays in, what the monitor does is
 * paid from it, and what is not paid for yet comes later. Pure: the clocks are arguments.
 *
 * - A **glance** at the run queues is what everything begins with; while nobody needs to hear of it, a **watch**, which costs
 *   a tenth. Without credit for the looks that may follow, either takes GLANCE_PART of the share and comes less often where
 *   that is not enough.
 * - A **look** is paid when its interval ends, so an interval lasts until it is paid for: one second as long as there is
 *   credit, longer after that, one interval after the other without a gap. The measures are then averages over longer
 *   times, and as exact as before.
 * - The first three looks of a row, which detection may need, are not stretched where the account is not in debt when the row
 *   begins; they are paid for afterwards.
 * - What people want to **see** comes only from what is left when two looks have their credit, so that a load that begins
 *   is always found in the time that detection takes. It comes late rather than never.
 *
 * The bound: in any time the monitor uses no more than the share of it, CREDIT_MAX_MS (what an idle time may save up)
 * and three looks with what follows from them. What the agent does besides, such as talking with the host or taking a vCPU, is
 * charged too, at once or, as far as that is over OTHERS_PART of the share, later: it is no reason to stop watching. What it takes
 * beyond that in the long run comes on top.
 */
export interface Budget {
  /** Of one vCPU. */
  readonly share: number;
  readonly balanceMs: number;
  /** What the agent did besides and has not been charged yet. */
  readonly owedMs: number;
  /** The clocks at the last settlement; `null` before the first. */
  readonly last: { readonly atMs: number; readonly cpuMs: number } | null;
  /** What a stage takes in one round, in milliseconds, as the last rounds showed. 0 is not known yet. */
  readonly costs: Readonly<Record<Stage, number>>;
}

/**
 * `watch`: one reading of the run queues while the agent sleeps; `look`: the counters at both ends of an interval, and what the
 * thresholds need of them; `show`: a look at everything.
 */
export type Stage = "watch" | "glance" | "look" | "trace" | "show";

/** The agent as a whole is to stay within one hundredth of a vCPU: a fifth of that is for what nobody foresees. */
export const SHARE_DEFAULT = 0.008;

/** With full credit. */
export function openBudget(share: number): Budget {
  const costs = { watch: 0, glance: 0, look: 0, trace: 0, show: 0 };
  return { share, balanceMs: CREDIT_MAX_MS, owedMs: 0, last: null, costs };
}

/** After a round, or a part of one: what the stages took that ended in it, and all that the agent has used since its start. */
export function settle(budget: Budget, { atMs, cpuMs, spent, readings = 0 }: Settlement): Budget {
  const last = budget.last ?? { atMs, cpuMs };
  const own = Object.values(spent).reduce((sum, ms) => sum + ms, 0);
  const earned = Math.max(0, atMs - last.atMs) * budget.share;
  const owed = budget.owedMs + Math.max(0, cpuMs - last.cpuMs - own);
  const others = Math.min(earned * OTHERS_PART, owed);
  return {
    ...budget,
    balanceMs: Math.min(CREDIT_MAX_MS, budget.balanceMs + earned - others) - own,
    owedMs: Math.min(OWED_MAX_MS, owed - others),
    last: { atMs, cpuMs },
    costs: {
      watch: learnt(budget.costs.watch, readings === 0 ? undefined : (spent.watch ?? 0) / readings),
      glance: learnt(budget.costs.glance, spent.glance),
      look: learnt(budget.costs.look, spent.look),
      trace: learnt(budget.costs.trace, spent.trace),
      show: learnt(budget.costs.show, spent.show),
    },
  };
}

export interface Settlement {
  readonly atMs: number;
  readonly cpuMs: number;
  /** In the round that ends now. */
  readonly spent: Readonly<Partial<Record<Stage, number>>>;
  /** Of the run queues, that `spent.watch` was for. */
  readonly readings?: number;
}

/** How long until the next glance, or reading: as wished while two looks have their credit, else so that they get it. */
export function glanceEveryMs(budget: Budget, stage: "watch" | "glance", wishedMs: number): number {
  const { share, balanceMs, costs } = budget;
  if (reserveOf(budget) + costs[stage] <= balanceMs) return wishedMs;
  return Math.max(wishedMs, costs[stage] / (share * GLANCE_PART));
}

/** How long an interval lasts that is to be paid for when it ends. */
export function lookMs(budget: Budget, stages: readonly Stage[], wishedMs: number): number {
  return Math.max(wishedMs, (costOf(budget, stages) - budget.balanceMs) / budget.share);
}

/** `lateMs`: for how long people have waited for it. `follows`: a look is made anyway. */
export function mayShow(budget: Budget, { lateMs, follows }: Show): boolean {
  const cost = costOf(budget, ["trace", "show"]);
  if (cost + reserveOf(budget) <= budget.balanceMs || CREDIT_MAX_MS <= budget.balanceMs) return true;
  if (lateMs < SHOW_LATE_MS) return false;
  // In a row of looks the interval is stretched until it is paid for; at rest there is no hurry to.
  return follows || cost <= budget.balanceMs || SHOW_LATE_MAX_MS <= lateMs;
}

interface Show {
  readonly lateMs: number;
  readonly follows: boolean;
}

/** There is so much credit that what is only useful may be done as well. */
export function isRich(budget: Budget): boolean {
  return CREDIT_MAX_MS / 2 <= budget.balanceMs;
}

/** What the next seconds may need: a load that begins is seen in a glance, and then in two looks, of which one traces. */
function reserveOf(budget: Budget): number {
  return Math.min(CREDIT_MAX_MS / 2, costOf(budget, ["glance", "look", "trace", "look"]));
}

export function costOf({ costs }: Budget, stages: readonly Stage[]): number {
  return stages.reduce((sum, stage) => sum + costs[stage], 0);
}

/** Of 75 s, at the default share: some looks one after the other, as the beginning of a load needs them. */
export const CREDIT_MAX_MS = 600;
/** Of the share. */
const OTHERS_PART = 0.7;
/** A report comes as a burst, and is paid for in some seconds; what is more than this is forgiven, or it would take over 48 s. */
const OWED_MAX_MS = 300;
/** Of the share, where there is no credit: half as much is left to save up for looks, whatever others take. */
const GLANCE_PART = 0.2;
/** From then on they come from what looks would need. */
const SHOW_LATE_MS = 20_000;
/** From then on they come whatever is left: where the agent's other work takes all there is. */
const SHOW_LATE_MAX_MS = 600_000;

/** The first round is the slowest: much is looked up once. */
function learnt(cost: number, spentMs: number | undefined): number {
  if (spentMs === undefined) return cost;
  return cost + (spentMs - cost) / 2;
}

/** What the account makes of the monitor, as sentences; none where everything is as often as wished. */
export function slownessOf(
  budget: Budget,
  { intervalMs, wishedMs, lateMs, glanceMs }: Slowness,
): readonly string[] {
  const percent = `${Number((budget.share * PERCENT).toPrecision(2))} % of a vCPU`;
  const slow: string[] = [];
  if (wishedMs * NOTICED < intervalMs) {
    const cost = costOf(budget, ["look", "trace"]).toFixed(0);
    slow.push(
      `Load is sampled over ${seconds(intervalMs)} instead of ${seconds(wishedMs)}: ` +
        `a sample takes ${cost} ms, and the agent may use ${percent}`,
    );
  }
  if (wishedMs < glanceMs) {
    slow.push(`Whether anybody waits is looked at once in ${seconds(glanceMs)}, to keep to ${percent}`);
  }
  if (wishedMs * 2 < lateMs) {
    slow.push(`Measures came ${seconds(lateMs)} late, to keep to ${percent}`);
  }
  return slow;
}

interface Slowness {
  readonly intervalMs: number;
  readonly wishedMs: number;
  /** How long after they were wanted the measures come. */
  readonly lateMs: number;
  /** Between two glances. */
  readonly glanceMs: number;
}

/** Timers are late at times. */
const NOTICED = 1.5;
const PERCENT = 100;

function seconds(ms: number): string {
  return `${Number((ms / 1_000).toPrecision(2))} s`;
}
