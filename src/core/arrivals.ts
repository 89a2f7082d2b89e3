/** Takes a new snapshot into the state: who came, who went, who was started anew, who spoke for the first time. */
import { commandKey } from "./action.ts";
import type {
  AbsentDomain,
  Attempt,
  ControllerState,
  DomainState,
  Found,
  FoundVcpu,
  LastPins,
} from "./controller_state.ts";
import { newCooperation } from "./cooperation.ts";
import type { DomainSnapshot, Pcpu, Snapshot } from "./model.ts";
import type { Note } from "./note.ts";
import type { DomainPlan } from "./plan.ts";
import { afterRestart, lookAtPlugged } from "./plugged_vcpus.ts";
import { onlineOf, sameList } from "./reconcile.ts";
import type { Milliseconds, PcpuId, VcpuIndex } from "./units.ts";
import { sameSlot } from "./vcpu_slot.ts";

/** The state with `snapshot` as the last observation; domains ordered by id. */
export function arrivals(
  state: ControllerState,
  snapshot: Snapshot,
  now: Milliseconds,
  notes: Note[],
): ControllerState {
  const known = new Map(state.domains.map((domain) => [domain.id, domain]));
  const absent = new Map(state.absent.map((away) => [away.memory.id, away]));
  const before = new Map(state.snapshot?.domains.map((domain) => [domain.id, domain]));
  const plans = new Map(state.plan?.domains.map((plan) => [plan.id, plan]));
  const present = new Set(snapshot.domains.map(({ id }) => id));
  const departed = state.domains.filter(({ id }) => !present.has(id));
  for (const { id } of departed) notes.push({ code: "domain-departed", domain: id });

  const renewed = new Set<string>();
  const domains = [...snapshot.domains]
    .sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
    .map((domain): DomainState => {
      const away = absent.get(domain.id);
      const memory = known.get(domain.id) ?? away?.memory;
      noteSpeech(domain, before.get(domain.id), notes);
      if (away?.awaited === false || memory === undefined) {
        notes.push({ code: "domain-arrived", domain: domain.id, vcpus: domain.vcpus.length });
      }
      if (memory === undefined) {
        return newDomain(domain, { pcpus: snapshot.pcpus, now });
      }
      if (memory.incarnation !== domain.incarnation) {
        renewed.add(domain.id);
        notes.push({ code: "domain-restarted", domain: domain.id });
        const [seen, plan] = [before.get(domain.id), plans.get(domain.id)];
        return restarted(memory, { domain, seen, plan, pcpus: snapshot.pcpus, now });
      }
      const { lastPins: _, ...rest } = memory;
      return {
        ...rest,
        ...withPlugged(memory, domain, now, notes),
        ...withLastPins(memory, { domain, seen: before.get(domain.id), attempts: state.attempts }),
        found: completed(memory, domain, snapshot.pcpus),
        heard: heardOf(domain, now) ?? memory.heard,
        cooperation: speaksAgain(domain, before.get(domain.id))
          ? { ...memory.cooperation, progressAt: now }
          : memory.cooperation,
      };
    });
  const stays = (id: string) => present.has(id) && !renewed.has(id);
  return {
    ...state,
    snapshot,
    domains,
    absent: byId([
      ...state.absent.filter(({ memory }) => !present.has(memory.id)),
      ...departed.map((memory) => ({ memory, since: now, awaited: false })),
    ]),
    underWay: state.underWay.filter(({ command }) => stays(command.domain)),
    attempts: state.attempts.filter(({ domain }) => stays(domain)),
  };
}

/** Looks at the vCPUs that vbal plugged. */
function withPlugged(
  { plugged }: DomainState,
  domain: DomainSnapshot,
  now: Milliseconds,
  notes: Note[],
): Partial<Pick<DomainState, "plugged" | "touched">> {
  if (plugged === undefined || plugged.length === 0) return {};
  const looked = lookAtPlugged(plugged, domain, now);
  for (const { slot, seen } of plugged) {
    const isSeen = looked.some((one) => one.seen && sameSlot(one.slot, slot));
    if (seen && !isSeen) notes.push({ code: "vcpu-unplugged", domain: domain.id, slot });
    if (seen || !isSeen) continue;
    const vcpu = domain.vcpus.find((other) => sameSlot(other, slot))!.index;
    notes.push({ code: "vcpu-plugged", domain: domain.id, vcpu, node: slot.guestNode });
  }
  // One that comes after its domain was let go is to be put back, too.
  return { plugged: looked, ...(looked.some(({ seen }) => seen) ? { touched: true } : {}) };
}

/**
 * A vCPU whose pins cannot be read has not left for that: it is where it was seen last, or where a command that ended since
 * has sent it.
 */
function withLastPins({ lastPins = [] }: DomainState, { domain, seen, attempts }: Unread): LastPinsField {
  const unread = domain.vcpus.filter(({ pins }) => pins === null);
  if (unread.length === 0) return {};
  const known = unread.flatMap(({ index }): LastPins[] => {
    const key = commandKey({ kind: "pin-vcpu", domain: domain.id, vcpu: index, pcpus: [] });
    const sent = attempts.filter((attempt) => attempt.key === key);
    const pins = new Set([
      ...(seen?.vcpus.find((vcpu) => vcpu.index === index)?.pins ?? []),
      ...(lastPins.find((last) => last.index === index)?.pins ?? []),
      ...sent.flatMap((attempt) => attempt.pins ?? []),
    ]);
    return pins.size === 0 ? [] : [{ index, pins: [...pins].sort((a, b) => a - b) }];
  });
  return known.length === 0 ? {} : { lastPins: known };
}

interface Unread {
  readonly domain: DomainSnapshot;
  readonly seen: DomainSnapshot | undefined;
  readonly attempts: readonly Attempt[];
}

type LastPinsField = Pick<DomainState, "lastPins">;

function newDomain(domain: DomainSnapshot, { pcpus, now }: Circumstances): DomainState {
  return {
    id: domain.id,
    incarnation: domain.incarnation,
    found: {
      online: onlineOf(domain),
      vcpus: domain.vcpus.map(({ index, pins }) => ({
        index,
        pins: anywhere(pins, pcpus),
        pluggedLater: false,
      })),
      emulatorPins: anywhere(domain.emulatorPins, pcpus),
    },
    heard: heardOf(domain, now),
    cooperation: newCooperation(now),
    asked: null,
    reached: false,
    touched: false,
    growthGivenUp: null,
  };
}

/** Who was there in an earlier life is awaited, so that a monitor that is slow to answer costs its domain nothing. */
export function awaitAll(state: ControllerState, now: Milliseconds): ControllerState {
  const awaited = state.domains.map((memory) => ({
    memory: ofAnEarlierLife(memory),
    since: now,
    awaited: true,
  }));
  return { ...state, snapshot: null, domains: [], absent: byId([...state.absent, ...awaited]) };
}

/** Whether it was quiet while nobody looked, and what came of commands, nobody knows. */
function ofAnEarlierLife(memory: DomainState): DomainState {
  const { demand, plugged } = memory;
  return {
    ...memory,
    ...(demand == null ? {} : { demand: { ...demand, use: { ...demand.use, quietSince: null } } }),
    ...(plugged === undefined ? {} : { plugged: afterRestart(plugged) }),
  };
}

/** Ends the waiting, and in the end the memory, for those that do not come. */
export function giveUpAbsent(
  state: ControllerState,
  { patienceMs, now }: { readonly patienceMs: Milliseconds; readonly now: Milliseconds },
  notes: Note[],
): ControllerState {
  if (state.absent.length === 0) return state;
  const absent = state.absent
    .filter(({ since }) => now < since + ABSENT_KEPT_MS)
    .map((away) => (away.awaited && away.since + patienceMs <= now ? { ...away, awaited: false } : away));
  const kept = new Map(absent.map((away) => [away.memory.id, away]));
  for (const { memory, awaited } of state.absent) {
    if (awaited && kept.get(memory.id)?.awaited !== true)
      notes.push({ code: "domain-departed", domain: memory.id });
  }
  return { ...state, absent };
}

/** A monitor that was held by somebody else, or a network namespace that took its time, is back long before. */
const ABSENT_KEPT_MS: Milliseconds = 600_000;

function byId(absent: readonly AbsentDomain[]): AbsentDomain[] {
  return [...absent].sort((a, b) => (a.memory.id < b.memory.id ? -1 : 1));
}

interface Circumstances {
  readonly pcpus: readonly Pcpu[];
  readonly now: Milliseconds;
}

/** Who may run on every pCPU that is online may run on those that are not, once they are: no list says so. */
function anywhere(pins: readonly PcpuId[] | null, pcpus: readonly Pcpu[]): readonly PcpuId[] | null {
  // Most domains are found like that, on hosts with many pCPUs: a list of all is one of all.
  if (pins === null || pins.length === pcpus.length) return pins;
  const mayRunOn = new Set(pins);
  if (pcpus.some(({ id, online }) => online && !mayRunOn.has(id))) return pins;
  return pcpus.map(({ id }) => id);
}

/**
 * A new life of a domain that vbal knew. A reboot of the guest leaves the threads as they are: pins that are still
 * where vbal had put them were not found there, so what was found in the earlier life stays.
 */
function restarted(memory: DomainState, { domain, seen, plan, ...circumstances }: Restart): DomainState {
  const fresh = newDomain(domain, circumstances);
  if (!memory.touched) return fresh;
  const found = new Map(memory.found.vcpus.map((vcpu) => [vcpu.index, vcpu]));
  const seenPins = new Map(seen?.vcpus.map(({ index, pins }) => [index, pins]));
  const planned = new Map(plan?.vcpus.map(({ index, pcpus }) => [index, pcpus]));
  const vcpus = fresh.found.vcpus.map((vcpu, order): FoundVcpu => {
    const { index } = vcpu;
    const pins = domain.vcpus[order]?.pins ?? null;
    const isOurs =
      pins !== null && [seenPins, planned].some((ours) => sameList(ours.get(index) ?? null, pins));
    const earlier = found.get(index);
    return isOurs && earlier !== undefined ? { ...vcpu, pins: earlier.pins } : vcpu;
  });
  const online = onlineBefore(memory, fresh.found.online, domain);
  const { emulatorPins } = domain;
  const isOurs =
    emulatorPins !== null &&
    [seen?.emulatorPins, plan?.emulatorPcpus].some((ours) => sameList(ours ?? null, emulatorPins));
  return {
    ...fresh,
    found: { online, vcpus, emulatorPins: (isOurs ? memory : fresh).found.emulatorPins },
    touched:
      isOurs ||
      vcpus.some((vcpu, order) => vcpu !== fresh.found.vcpus[order]) ||
      !sameList(online, fresh.found.online),
  };
}

/**
 * What a new life used before vbal came. Where it uses just what the earlier one was told to use, and less than it has, a
 * command reached it before it was seen: then it is as the earlier one was found, and what that one did not have is in use.
 */
function onlineBefore(
  { asked, found }: DomainState,
  online: readonly VcpuIndex[] | null,
  { vcpus }: DomainSnapshot,
): readonly VcpuIndex[] | null {
  if (asked === null || !sameList(asked, online) || asked.length === vcpus.length) return online;
  const unused = found.vcpus.filter(
    ({ index, pluggedLater }) => !pluggedLater && found.online?.includes(index) !== true,
  );
  return vcpus.map(({ index }) => index).filter((one) => !unused.some(({ index }) => index === one));
}

interface Restart extends Circumstances {
  readonly domain: DomainSnapshot;
  /** The last look at its earlier life, if this daemon took one. */
  readonly seen: DomainSnapshot | undefined;
  readonly plan: DomainPlan | undefined;
}

function heardOf({ guest }: DomainSnapshot, now: Milliseconds): DomainState["heard"] {
  return guest === null ? null : { report: guest, at: now };
}

/**
 * Fills in what could not be read when the domain was first seen. vbal pins only what it has read before, so that pins
 * which are read for the first time are as they were found, whatever else of the domain was changed meanwhile.
 */
function completed(
  { found, asked, touched }: DomainState,
  domain: DomainSnapshot,
  pcpus: readonly Pcpu[],
): Found {
  const online = found.online ?? (asked === null ? onlineOf(domain) : null);
  const known = new Map(found.vcpus.map((vcpu) => [vcpu.index, vcpu]));
  const vcpus = domain.vcpus.map(({ index, pins }): FoundVcpu => {
    const vcpu = known.get(index);
    if (vcpu === undefined) {
      // Pitfall 23: the thread of a new vCPU inherits the pins of the emulator, which may be vbal's by now.
      return { index, pins: touched ? found.emulatorPins : anywhere(pins, pcpus), pluggedLater: touched };
    }
    return vcpu.pins !== null || vcpu.pluggedLater ? vcpu : { ...vcpu, pins: anywhere(pins, pcpus) };
  });
  return { online, vcpus, emulatorPins: found.emulatorPins ?? anywhere(domain.emulatorPins, pcpus) };
}

/** A guest that was rebooting could not follow: its patience begins when it speaks. */
function speaksAgain(domain: DomainSnapshot, before: DomainSnapshot | undefined): boolean {
  return domain.guest !== null && (before?.guest ?? null) === null;
}

function noteSpeech(domain: DomainSnapshot, before: DomainSnapshot | undefined, notes: Note[]): void {
  const online = onlineOf(domain);
  const spoke = before !== undefined && before.guest !== null;
  if (online !== null && !spoke) notes.push({ code: "guest-heard", domain: domain.id, online });
  if (online === null && spoke) notes.push({ code: "guest-silent", domain: domain.id });
}
