/**
 * The controller: a pure state machine. It says what to do and does nothing; it cannot fail, since bad weather is
 * answered with notes. Equal arguments give equal bytes.
 *
 * One step: remember what happened, look at who came, went and spoke, plan anew when the plan's inputs changed,
 * judge the guests' co-operation, and give out the difference between what is wanted and what was reported.
 */

import { type Action, type Command, commandKey, type Reply } from "./action.ts";
import { arrivals, awaitAll, giveUpAbsent } from "./arrivals.ts";
import { firstOfCircle } from "./circle.ts";
import { putOff } from "./consider_demand.ts";
import type { Attempt, ControllerState, DomainState } from "./controller_state.ts";
import { judge } from "./cooperation.ts";
import type { ControllerEvent } from "./event.ts";
import type { Note } from "./note.ts";
import { planAnew } from "./plan_anew.ts";
import { afterPlug, withPluggedSlot } from "./plugged_vcpus.ts";
import type { Policy } from "./policy.ts";
import { onlineOf, type Reconciliation, reconcile, sameList, type WantedDomain } from "./reconcile.ts";
import { ALL_SAFEGUARDS, type Safeguards } from "./safeguards.ts";
import { settleReleased } from "./settle_released.ts";
import type { DomainId, Milliseconds, VcpuIndex } from "./units.ts";
import { wantedDomains } from "./wanted_domains.ts";

export interface Step {
  readonly state: ControllerState;
  readonly actions: readonly Action[];
  readonly notes: readonly Note[];
}

interface Context {
  readonly now: Milliseconds;
  readonly notes: Note[];
  readonly safeguards: Safeguards;
}

/** A failed command is tried again at most this seldom: often enough for a guest that comes back, cheap for one that does not. */
export const RETRY_AFTER_MAX_MS: Milliseconds = 30_000;
/** A guest that would not grow gets another chance after this long; its share is lent to the others meanwhile. */
export const GROWTH_GIVEN_UP_FOR_MS: Milliseconds = 60_000;

export function step(
  policy: Policy,
  before: ControllerState,
  event: ControllerEvent,
  now: Milliseconds,
  safeguards: Safeguards = ALL_SAFEGUARDS,
): Step {
  const notes: Note[] = [];
  let state = absorb(policy, before, event, now, notes);
  // The end of a command changes nothing until an observation shows what came of it.
  if (event.kind === "command-ended") return { state, actions: [], notes };
  const requests = event.kind === "requested" ? event.requests : [];
  if (state.snapshot === null) return { state, actions: putOff(requests, "starting", notes), notes };
  state = giveUpAbsent(state, { patienceMs: policy.patience.stuckAfter, now }, notes);
  state = forgiveGrowth(state, now);
  const observes = policy.mode === "observe" && state.mode === "controlling";
  // A guest that is asked nothing is not behind.
  const hasLooked = event.kind === "observed" || event.kind === "unchanged";
  if (hasLooked && !observes) state = judgeGuests(policy, state, now, notes);
  // As long as domains of an earlier life are awaited, its plan holds: nobody is given their share.
  const isAwaiting = state.absent.some(({ awaited }) => awaited);
  let replies: readonly Reply[];
  if (state.mode === "releasing") {
    replies = putOff(event.kind === "release" ? pluggingIn(before) : requests, "stopping", notes);
  } else if (isAwaiting) replies = putOff(requests, "starting", notes);
  else if (observes) {
    replies = putOff(requests, "observing", notes);
    ({ state } = planAnew(policy, state, { requests: [], hasLooked, now, safeguards }, notes));
  } else ({ state, replies } = planAnew(policy, state, { requests, hasLooked, now, safeguards }, notes));
  if (observes) return { state, actions: replies, notes };
  const given = giveOut(state, wantedDomains(policy, state, { now, safeguards }), { now, notes, safeguards });
  return { ...given, actions: [...replies, ...given.actions] };
}

/** Requests that wait for a vCPU to be plugged. */
function pluggingIn({ domains }: ControllerState): { domain: DomainId; id: string }[] {
  return domains.flatMap(({ id, demand }) =>
    demand == null || demand.plugging === null ? [] : [{ domain: id, id: demand.plugging.request }],
  );
}

/** Takes the event into the state. */
function absorb(
  policy: Policy,
  state: ControllerState,
  event: ControllerEvent,
  now: Milliseconds,
  notes: Note[],
): ControllerState {
  switch (event.kind) {
    case "started":
      // A guest had nobody to speak to while there was no daemon.
      return awaitAll(
        {
          ...state,
          mode: "controlling",
          domains: state.domains.map((domain) => unwatched(stillHeard(domain, now))),
          underWay: [],
          attempts: [],
          use: [],
        },
        now,
      );
    case "observed":
      return { ...arrivals(state, event.snapshot, now, notes), use: event.use ?? state.use };
    case "unchanged":
      return { ...state, domains: withHeard(state, now), use: event.use ?? state.use };
    case "policy-changed":
    case "requested":
      return state;
    case "release":
      return {
        ...state,
        mode: "releasing",
        domains: state.domains.map((domain) => ({ ...domain, demand: null })),
        attempts: [],
      };
    case "command-ended":
      return commandEnded(policy, state, event, now, notes);
  }
}

/** What was heard before is heard again in an observation that equals the last one. */
function withHeard({ snapshot, domains }: ControllerState, now: Milliseconds): readonly DomainState[] {
  const speaking = new Set(snapshot?.domains.filter(({ guest }) => guest !== null).map(({ id }) => id));
  return domains.map((domain) => (speaking.has(domain.id) ? stillHeard(domain, now) : domain));
}

/** What was measured before nobody looked says nothing of now. */
function unwatched(domain: DomainState): DomainState {
  const { demand } = domain;
  if (demand?.lending == null) return domain;
  return { ...domain, demand: { ...demand, lending: { ...demand.lending, watched: null } } };
}

function stillHeard(domain: DomainState, now: Milliseconds): DomainState {
  return domain.heard === null ? domain : { ...domain, heard: { ...domain.heard, at: now } };
}

function commandEnded(
  policy: Policy,
  state: ControllerState,
  event: Extract<ControllerEvent, { kind: "command-ended" }>,
  now: Milliseconds,
  notes: Note[],
): ControllerState {
  const ended = state.underWay.find(({ id }) => id === event.id);
  // An answer to a command of an earlier life.
  if (ended === undefined) return state;
  const underWay = state.underWay.filter(({ id }) => id !== event.id);
  const key = commandKey(ended.command);
  const text = JSON.stringify(ended.command);
  const before = state.attempts.find((attempt) => attempt.key === key);
  const count = before?.text === text ? before.count + 1 : 1;
  const wait = Math.min(policy.patience.retryAfter * 2 ** Math.min(count - 1, 16), RETRY_AFTER_MAX_MS);
  const { command } = ended;
  const attempt: Attempt = {
    key,
    text,
    ...(command.kind === "pin-vcpu" ? { pins: command.pcpus } : {}),
    domain: command.domain,
    count,
    retryAt: now + wait,
  };
  if (!event.outcome.ok) {
    const { failure, why } = event.outcome;
    notes.push({ code: "command-failed", command: key, failure, why });
  }
  const domains =
    command.kind === "plug-vcpu"
      ? state.domains.map((domain) =>
          domain.id === command.domain ? afterPlug(domain, command, event.outcome) : domain,
        )
      : state.domains;
  const others = state.attempts.filter((other) => other.key !== key);
  return { ...state, domains, underWay, attempts: [...others, attempt] };
}

function forgiveGrowth(state: ControllerState, now: Milliseconds): ControllerState {
  if (!state.domains.some((domain) => domain.growthGivenUp !== null && domain.growthGivenUp.until <= now))
    return state;
  const domains = state.domains.map((domain) =>
    domain.growthGivenUp !== null && domain.growthGivenUp.until <= now
      ? { ...domain, growthGivenUp: null }
      : domain,
  );
  return { ...state, domains };
}

/** Compares what each guest was asked for with what it reports. */
function judgeGuests(
  policy: Policy,
  state: ControllerState,
  now: Milliseconds,
  notes: Note[],
): ControllerState {
  const snapshots = new Map(state.snapshot?.domains.map((domain) => [domain.id, domain]));
  const domains = state.domains.map((domain): DomainState => {
    const snapshot = snapshots.get(domain.id);
    const online = snapshot === undefined ? null : onlineOf(snapshot);
    if (domain.asked === null || online === null || snapshot?.state !== "running") return domain;
    const distance = difference(domain.asked, online);
    const cooperation = judge(domain.cooperation, { distance, asked: false, now }, policy.patience);
    const reached = distance === 0;
    if (cooperation.standing !== domain.cooperation.standing) {
      notes.push({
        code: "standing-changed",
        domain: domain.id,
        from: domain.cooperation.standing,
        to: cooperation.standing,
      });
    }
    if (reached && !domain.reached) notes.push({ code: "target-reached", domain: domain.id, online });
    if (!reached && domain.reached) {
      notes.push({ code: "guest-changed-by-itself", domain: domain.id, online, wanted: domain.asked });
    }
    const wouldNotGrow = cooperation.standing === "uncooperative" && online.length < domain.asked.length;
    if (wouldNotGrow && domain.growthGivenUp === null) {
      notes.push({ code: "growth-given-up", domain: domain.id, vcpus: online.length });
      const growthGivenUp = { vcpus: online.length, until: now + GROWTH_GIVEN_UP_FOR_MS };
      // It is no longer asked for more than it has.
      return { ...domain, cooperation, asked: online, reached: true, growthGivenUp };
    }
    return { ...domain, cooperation, reached };
  });
  return { ...state, domains };
}

/** How many vCPUs stand in one list and not in the other. */
function difference(a: readonly VcpuIndex[], b: readonly VcpuIndex[]): number {
  const inA = new Set(a);
  const inB = new Set(b);
  return a.filter((index) => !inB.has(index)).length + b.filter((index) => !inA.has(index)).length;
}

/** Turns the difference into actions, except for what is under way or waits to be tried again. */
function giveOut(
  before: ControllerState,
  wanted: readonly WantedDomain[],
  { now, notes, safeguards }: Context,
): Step {
  const snapshot = before.snapshot;
  if (snapshot === null) return { state: before, actions: [], notes };
  const difference = reconcile(
    wanted,
    snapshot,
    safeguards,
    before.underWay.map(({ command }) => command),
  );
  const commands = dueCommands(before, difference, { now, notes, safeguards });
  const open = new Set(
    [...difference.ready, ...difference.blocked.map(({ command }) => command)].map(commandKey),
  );
  const satisfied = withNothingLeftToAsk(withoutDoneAttempts(before, open, now), wanted, difference, now);
  const settled = settleReleased(satisfied, wanted, difference, notes);
  const given = commands.map((command, i) => ({ id: settled.nextCommandId + i, command }));
  const byDomain = new Map<DomainId, Command[]>(commands.map(({ domain }) => [domain, []]));
  for (const command of commands) byDomain.get(command.domain)?.push(command);
  const state: ControllerState = {
    ...settled,
    nextCommandId: settled.nextCommandId + given.length,
    underWay: [...settled.underWay, ...given],
    domains: settled.domains.map((domain) =>
      (byDomain.get(domain.id) ?? []).reduce((memory, command) => remember(memory, command, now), domain),
    ),
  };
  const actions: Action[] = given.map(({ id, command }) => ({ id, ...command }));
  const retries = state.attempts.filter(({ key, retryAt }) => open.has(key) && now < retryAt);
  const retryAt = Math.min(...retries.map((attempt) => attempt.retryAt));
  if (Number.isFinite(retryAt)) actions.push({ kind: "wait", until: retryAt });
  return { state, actions, notes };
}

function dueCommands(
  state: ControllerState,
  { ready, blocked }: Reconciliation,
  { now, notes, safeguards }: Context,
): readonly Command[] {
  const busy = new Set(state.underWay.map(({ command }) => commandKey(command)));
  const attempts = new Map(state.attempts.map((attempt) => [attempt.key, attempt]));
  const isDue = (command: Command): boolean => {
    const key = commandKey(command);
    const attempt = attempts.get(key);
    const waits = attempt !== undefined && now < attempt.retryAt && attempt.text === JSON.stringify(command);
    return !busy.has(key) && !waits;
  };
  const due = ready.filter(isDue);
  const through = safeguards.breakCircles ? firstOfCircle(blocked)?.command : undefined;
  if (through === undefined || !isDue(through)) return due;
  notes.push({ code: "circle-broken", domain: through.domain, vcpu: through.vcpu, pcpus: through.pcpus });
  return [...due, through];
}

/**
 * An attempt whose command is no longer wanted did its work; the next one of its kind starts with fresh patience. What a
 * guest was told is remembered for a while all the same: one that changes its vCPUs back is told the same again at once,
 * but when it does so again and again, less and less often, and not every second for ever.
 */
function withoutDoneAttempts(
  state: ControllerState,
  wanted: ReadonlySet<string>,
  now: Milliseconds,
): ControllerState {
  if (state.attempts.every(({ key }) => wanted.has(key))) return state;
  const attempts = state.attempts.flatMap((attempt): Attempt[] => {
    const { key, count, retryAt } = attempt;
    if (wanted.has(key)) return [attempt];
    if (!key.startsWith("set-online ") || retryAt + RETRY_AFTER_MAX_MS <= now) return [];
    return count === 1 && now < retryAt ? [{ ...attempt, retryAt: now }] : [attempt];
  });
  return { ...state, attempts };
}

/** What a domain remembers of a command that is given out. */
function remember(domain: DomainState, command: Command, now: Milliseconds): DomainState {
  if (command.kind === "plug-vcpu") {
    return { ...domain, touched: true, plugged: withPluggedSlot(domain.plugged ?? [], command.slot, now) };
  }
  if (command.kind !== "set-online") return { ...domain, touched: true };
  if (sameList(domain.asked, command.online)) return { ...domain, touched: true };
  return {
    ...domain,
    touched: true,
    asked: command.online,
    reached: false,
    cooperation: { ...domain.cooperation, progressAt: now },
  };
}

/**
 * A guest that was asked for one thing and has another, where that other is wanted by now (the plan changed before it
 * followed), is not behind: it has what it should have.
 */
function withNothingLeftToAsk(
  state: ControllerState,
  wanted: readonly WantedDomain[],
  { ready }: Reconciliation,
  now: Milliseconds,
): ControllerState {
  const snapshots = new Map(state.snapshot?.domains.map((domain) => [domain.id, domain]));
  const wantedIds = new Set(wanted.map(({ id }) => id));
  const open = new Set(
    [...ready, ...state.underWay.map(({ command }) => command)]
      .filter(({ kind }) => kind === "set-online")
      .map(({ domain }) => domain),
  );
  const domains = state.domains.map((domain): DomainState => {
    const { id, asked, cooperation } = domain;
    const snapshot = snapshots.get(id);
    const online = snapshot === undefined ? null : onlineOf(snapshot);
    if (asked === null || online === null || snapshot?.state !== "running") return domain;
    if (!wantedIds.has(id) || open.has(id) || sameList(asked, online)) return domain;
    // The standing follows with the next look, which finds nothing missing.
    return { ...domain, asked: online, reached: true, cooperation: { ...cooperation, progressAt: now } };
  });
  return { ...state, domains };
}
