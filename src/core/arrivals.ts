/** Takes a new snapshot into the state: who came, who went, who was started anew, who spoke for the first time. */
import type { ControllerState, DomainState, Found } from "./controller_state.ts";
import { newCooperation } from "./cooperation.ts";
import type { DomainSnapshot, Snapshot } from "./model.ts";
import type { Note } from "./note.ts";
import { onlineOf } from "./reconcile.ts";
import type { Milliseconds } from "./units.ts";

/** The state with `snapshot` as the last observation; domains ordered by id. */
export function arrivals(
  state: ControllerState,
  snapshot: Snapshot,
  now: Milliseconds,
  notes: Note[],
): ControllerState {
  const known = new Map(state.domains.map((domain) => [domain.id, domain]));
  const before = new Map(state.snapshot?.domains.map((domain) => [domain.id, domain]));
  const present = new Set(snapshot.domains.map(({ id }) => id));
  for (const { id } of state.domains)
    if (!present.has(id)) notes.push({ code: "domain-departed", domain: id });

  const renewed = new Set<string>();
  const domains = [...snapshot.domains]
    .sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
    .map((domain): DomainState => {
      const memory = known.get(domain.id);
      noteSpeech(domain, before.get(domain.id), notes);
      if (memory === undefined) {
        notes.push({ code: "domain-arrived", domain: domain.id, vcpus: domain.vcpus.length });
        return newDomain(domain, now);
      }
      if (memory.incarnation !== domain.incarnation) {
        renewed.add(domain.id);
        notes.push({ code: "domain-restarted", domain: domain.id });
        return newDomain(domain, now);
      }
      return { ...memory, found: completed(memory, domain) };
    });
  const stays = (id: string) => present.has(id) && !renewed.has(id);
  return {
    ...state,
    snapshot,
    domains,
    underWay: state.underWay.filter(({ command }) => stays(command.domain)),
    attempts: state.attempts.filter(({ domain }) => stays(domain)),
  };
}

function newDomain(domain: DomainSnapshot, now: Milliseconds): DomainState {
  return {
    id: domain.id,
    incarnation: domain.incarnation,
    found: {
      online: onlineOf(domain),
      vcpus: domain.vcpus.map(({ index, pins }) => ({ index, pins })),
      emulatorPins: domain.emulatorPins,
    },
    cooperation: newCooperation(now),
    asked: null,
    reached: false,
    touched: false,
    growthGivenUp: null,
  };
}

/** Fills in what could not be read when the domain was first seen, unless vbal may have changed it since. */
function completed({ found, asked, touched }: DomainState, domain: DomainSnapshot): Found {
  const online = found.online ?? (asked === null ? onlineOf(domain) : null);
  if (touched) return online === found.online ? found : { ...found, online };
  const seen = new Map(found.vcpus.map((vcpu) => [vcpu.index, vcpu.pins]));
  return {
    online,
    vcpus: domain.vcpus.map(({ index, pins }) => ({ index, pins: seen.get(index) ?? pins })),
    emulatorPins: found.emulatorPins ?? domain.emulatorPins,
  };
}

function noteSpeech(domain: DomainSnapshot, before: DomainSnapshot | undefined, notes: Note[]): void {
  const online = onlineOf(domain);
  const spoke = before !== undefined && before.guest !== null;
  if (online !== null && !spoke) notes.push({ code: "guest-heard", domain: domain.id, online });
  if (online === null && spoke) notes.push({ code: "guest-silent", domain: domain.id });
}
