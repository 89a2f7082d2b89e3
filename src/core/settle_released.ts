/** When a domain that is let go has everything back, and what is still owed to it until then. */
import type { ControllerState, DomainState } from "./controller_state.ts";
import type { DomainSnapshot, Snapshot } from "./model.ts";
import type { Note } from "./note.ts";
import { removableOf } from "./plugged_vcpus.ts";
import { onlineOf, type Reconciliation, sameList, type WantedDomain } from "./reconcile.ts";
import type { PcpuId } from "./units.ts";

/** A domain that is let go and has nothing left to put back is no longer touched. */
export function settleReleased(
  state: ControllerState,
  wanted: readonly WantedDomain[],
  { ready, blocked }: Reconciliation,
  notes: Note[],
): ControllerState {
  const planned = new Set(state.mode === "controlling" ? state.plan?.domains.map(({ id }) => id) : []);
  const letGo = wanted.filter(({ id }) => !planned.has(id));
  if (letGo.length === 0) return state;
  const open = new Set([
    ...[...ready, ...blocked.map(({ command }) => command)].map(({ domain }) => domain),
    ...state.underWay.map(({ command }) => command.domain),
  ]);
  const memories = new Map(state.domains.map((domain) => [domain.id, domain]));
  const snapshots = new Map(state.snapshot?.domains.map((domain) => [domain.id, domain]));
  // A daemon that stops does not wait for pCPUs that may never come back.
  const offline = new Set(state.mode === "releasing" ? [] : offlineIn(state.snapshot));
  const settled = new Set(
    letGo
      .map(({ id }) => id)
      .filter((id) => !open.has(id) && !owes(memories.get(id)!, snapshots.get(id)))
      .filter((id) => !isPartly(memories.get(id)!.found, offline)),
  );
  if (settled.size === 0) return state;
  for (const domain of settled) notes.push({ code: "released", domain });
  const domains = state.domains.map((domain) =>
    settled.has(domain.id) ? { ...domain, touched: false, asked: null, reached: false } : domain,
  );
  return { ...state, domains };
}

/**
 * What was found cannot be put back now: a vCPU that vbal plugged is there still, pins cannot be read and so nobody knows
 * where they are, or the guest was told to use other vCPUs, or uses other ones, and cannot be told otherwise, since it is
 * silent or paused.
 */
function owes(memory: DomainState, domain: DomainSnapshot | undefined): boolean {
  if (domain === undefined) return false;
  const { asked, found, plugged } = memory;
  if (plugged !== undefined && 0 < removableOf(plugged, domain).length) return true;
  const pins = new Map(domain.vcpus.map((vcpu) => [vcpu.index, vcpu.pins]));
  if (found.vcpus.some((vcpu) => vcpu.pins !== null && pins.get(vcpu.index) === null)) return true;
  if (found.emulatorPins !== null && domain.emulatorPins === null) return true;
  if (asked === null || found.online === null) return false;
  if (domain.guest !== null && domain.state === "running") return false;
  return !sameList(asked, found.online) || isBehind(memory, domain);
}

/** It was told what was found, and when it last spoke it had not followed. */
function isBehind({ found, heard }: DomainState, domain: DomainSnapshot): boolean {
  const online =
    onlineOf(domain) ?? heard?.report.vcpus.filter((vcpu) => vcpu.online).map(({ index }) => index);
  if (online === undefined) return false;
  const there = new Set(domain.vcpus.map(({ index }) => index));
  return found.vcpus.some(
    ({ index, pluggedLater }) =>
      !pluggedLater && there.has(index) && found.online!.includes(index) !== online.includes(index),
  );
}

/** It may not run on all pCPUs yet where it was found: they are offline, and to be given back when they come. */
function isPartly({ vcpus, emulatorPins }: DomainState["found"], offline: ReadonlySet<PcpuId>): boolean {
  if (offline.size === 0) return false;
  return [emulatorPins, ...vcpus.map(({ pins }) => pins)].some((pins) =>
    pins?.some((pcpu) => offline.has(pcpu)),
  );
}

function offlineIn(snapshot: Snapshot | null): readonly PcpuId[] {
  return (snapshot?.pcpus ?? []).filter(({ online }) => !online).map(({ id }) => id);
}
