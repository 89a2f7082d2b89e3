/**
 * Actions are the wanted state minus the reported state, and shrinking comes before growing: take, confirm, give.
 *
 * - *Take.* Narrowing a vCPU's pCPUs, or asking a guest for fewer vCPUs, takes from nobody else and is always allowed.
 *   One exception is courtesy: a vCPU that its guest is about to let go keeps its pCPU until the guest confirmed
 *   (offlining with two vCPUs on one pCPU is slow), for as long as the guest is active.
 * - *Confirm.* Nothing is believed but the next snapshot.
 * - *Give.* A vCPU gets a pCPU only when no vCPU of another domain that should leave it is reported there any more, and
 *   a guest is asked for one more vCPU only when that vCPU is reported on its planned pCPUs.
 *
 * Two domains that exchange pCPUs would wait for each other for ever; `blocked` lists who waits, so that the controller
 * can let one through when nothing else moves.
 */
import type { Command } from "./action.ts";
import type { LastPins } from "./controller_state.ts";
import type { BalloonMechanism, DomainSnapshot, Snapshot, VcpuSlot } from "./model.ts";
import { isOnline } from "./plugged_vcpus.ts";
import { ALL_SAFEGUARDS, type Safeguards } from "./safeguards.ts";
import type { DomainId, PcpuId, VcpuIndex } from "./units.ts";
import { sameSlot, slotOf } from "./vcpu_slot.ts";

/** What a domain should have; `null` means: leave it. Vcpus are ordered by index. */
export interface WantedDomain {
  readonly id: DomainId;
  readonly vcpus: readonly WantedVcpu[];
  readonly emulatorPcpus: readonly PcpuId[] | null;
  readonly mechanism: BalloonMechanism;
  /** It is not asked for fewer while one that it should have is in its place. */
  readonly vcpusMin: number;
  /** A vCPU that is to be plugged. */
  readonly plug?: VcpuSlot;
  /** vCPUs that are to go altogether, ascending; each is taken out when its guest no longer uses it. */
  readonly unplug?: readonly VcpuIndex[];
  /** What its guest was last told to use, where it is to be told otherwise even if it has not followed yet: it still may. */
  readonly lastTold?: readonly VcpuIndex[];
  /** Where vCPUs may be whose pins could not be read. */
  readonly lastPins?: readonly LastPins[];
  /** Wait for this guest to let its vCPUs go before they are confined. False for a guest that does not follow. */
  readonly courteous: boolean;
}

export interface WantedVcpu {
  readonly index: VcpuIndex;
  readonly online: boolean | null;
  readonly pcpus: readonly PcpuId[] | null;
}

export interface Reconciliation {
  /** May be given out now, ordered by domain, takes before gives within a domain. */
  readonly ready: readonly Command[];
  /** Pins that wait for vCPUs of other domains to leave. */
  readonly blocked: readonly BlockedPin[];
}

export interface BlockedPin {
  readonly command: PinVcpu;
  /** The vCPUs that it waits for, as `vcpuKey`s. */
  readonly waitsFor: readonly string[];
}

type PinVcpu = Extract<Command, { kind: "pin-vcpu" }>;

export function vcpuKey(domain: DomainId, vcpu: VcpuIndex): string {
  return `${vcpu} ${domain}`;
}

/** `underWay`: where a vCPU is being sent counts as where it is, since it may arrive at any moment. */
export function reconcile(
  wanted: readonly WantedDomain[],
  snapshot: Snapshot,
  safeguards: Safeguards = ALL_SAFEGUARDS,
  underWay: readonly Command[] = [],
): Reconciliation {
  const domains = new Map(snapshot.domains.map((domain) => [domain.id, domain]));
  const leaving = safeguards.confirmTakes ? leavingPcpus(wanted, domains, underWay) : new Map();
  const ready: Command[] = [];
  const blocked: BlockedPin[] = [];
  const gone = new Set(snapshot.pcpus.filter((pcpu) => !pcpu.online).map((pcpu) => pcpu.id));
  for (const written of wanted) {
    const have = domains.get(written.id);
    if (have === undefined) continue;
    const want = gone.size === 0 ? written : withoutGone(written, gone);
    reconcilePins(want, have, leaving, ready, blocked);
    reconcileOnline(want, have, safeguards, ready);
    reconcileEmulator(want, have, ready);
    reconcilePlugs(want, have, ready);
  }
  return { ready, blocked };
}

/** A plan of an earlier life may name pCPUs that went offline since: such pins wait for the next plan. */
function withoutGone(want: WantedDomain, gone: ReadonlySet<PcpuId>): WantedDomain {
  const present = (pcpus: readonly PcpuId[] | null) =>
    pcpus === null || pcpus.some((pcpu) => gone.has(pcpu)) ? null : pcpus;
  return {
    ...want,
    // A vCPU without a place is not brought online either.
    vcpus: want.vcpus.map((vcpu) =>
      present(vcpu.pcpus) === null
        ? { ...vcpu, pcpus: null, online: vcpu.online === true ? null : vcpu.online }
        : vcpu,
    ),
    emulatorPcpus: present(want.emulatorPcpus),
  };
}

/** The vCPUs that the guest says it uses, or null when it is silent. */
export function onlineOf(domain: DomainSnapshot): readonly VcpuIndex[] | null {
  return domain.guest?.vcpus.filter((vcpu) => vcpu.online).map((vcpu) => vcpu.index) ?? null;
}

export function sameList(a: readonly number[] | null, b: readonly number[] | null): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && a.every((value, i) => value === b[i]);
}

interface Leaver {
  readonly domain: DomainId;
  readonly key: string;
}

/** For each pCPU, the vCPUs last reported on it, or on their way to it, that should not be there. */
function leavingPcpus(
  wanted: readonly WantedDomain[],
  domains: ReadonlyMap<DomainId, DomainSnapshot>,
  underWay: readonly Command[],
): ReadonlyMap<PcpuId, readonly Leaver[]> {
  const arriving = new Map(
    underWay.flatMap((command) =>
      command.kind === "pin-vcpu" ? [[vcpuKey(command.domain, command.vcpu), command.pcpus] as const] : [],
    ),
  );
  const leaving = new Map<PcpuId, Leaver[]>();
  for (const want of wanted) {
    const vcpus = new Map(domains.get(want.id)?.vcpus.map((vcpu) => [vcpu.index, vcpu]));
    for (const wantedVcpu of want.vcpus) {
      const vcpu = vcpus.get(wantedVcpu.index);
      if (vcpu === undefined || wantedVcpu.pcpus === null) continue;
      const pins = vcpu.pins ?? want.lastPins?.find(({ index }) => index === vcpu.index)?.pins ?? [];
      const keeps = new Set(wantedVcpu.pcpus);
      const key = vcpuKey(want.id, wantedVcpu.index);
      const comes = arriving.get(key);
      const leaver = { domain: want.id, key };
      for (const pcpu of comes === undefined ? pins : new Set([...pins, ...comes])) {
        if (keeps.has(pcpu)) continue;
        const leavers = leaving.get(pcpu);
        if (leavers === undefined) leaving.set(pcpu, [leaver]);
        else leavers.push(leaver);
      }
    }
  }
  return leaving;
}

function reconcilePins(
  want: WantedDomain,
  have: DomainSnapshot,
  leaving: ReadonlyMap<PcpuId, readonly Leaver[]>,
  ready: Command[],
  blocked: BlockedPin[],
): void {
  const reported = new Map(have.vcpus.map((vcpu) => [vcpu.index, vcpu]));
  const online = onlineOf(have);
  for (const vcpu of want.vcpus) {
    const pins = reported.get(vcpu.index)?.pins ?? null;
    if (pins === null || vcpu.pcpus === null || sameList(pins, vcpu.pcpus)) continue;
    const command = { kind: "pin-vcpu", domain: want.id, vcpu: vcpu.index, pcpus: vcpu.pcpus } as const;
    const held = new Set(pins);
    const gains = vcpu.pcpus.filter((pcpu) => !held.has(pcpu));
    const outgoing = vcpu.online === false && (online?.includes(vcpu.index) ?? false);
    if (outgoing && want.courteous && have.state === "running") continue;
    const waitsFor = gains
      .flatMap((pcpu) => leaving.get(pcpu) ?? [])
      .filter(({ domain }) => domain !== want.id)
      .map(({ key }) => key);
    if (waitsFor.length === 0) ready.push(command);
    else blocked.push({ command, waitsFor });
  }
}

function reconcileOnline(
  want: WantedDomain,
  have: DomainSnapshot,
  safeguards: Safeguards,
  ready: Command[],
): void {
  const online = onlineOf(have);
  // A silent guest is never asked by guess, a paused one cannot answer.
  if (online === null || have.state !== "running") return;
  const has = new Set(online);
  const pins = new Map(have.vcpus.map((vcpu) => [vcpu.index, vcpu.pins]));
  const kept = want.vcpus.filter((vcpu) => has.has(vcpu.index) && vcpu.online !== false);
  const grown = want.vcpus.filter(
    (vcpu) =>
      !has.has(vcpu.index) &&
      vcpu.online === true &&
      (!safeguards.placeBeforeOnline ||
        vcpu.pcpus === null ||
        sameList(pins.get(vcpu.index) ?? null, vcpu.pcpus)),
  );
  const keptIndices = kept.map((vcpu) => vcpu.index);
  const shrinks = kept.length < online.length;
  // Shrink before you grow, inside one guest too; below its minimum, both in one request.
  const onlyShrinks = shrinks && want.vcpusMin <= kept.length;
  const isAsTold = want.lastTold === undefined || sameList(want.lastTold, keptIndices);
  if (!shrinks && grown.length === 0 && isAsTold) return;
  ready.push({
    kind: "set-online",
    domain: want.id,
    online: onlyShrinks
      ? keptIndices
      : [...keptIndices, ...grown.map((vcpu) => vcpu.index)].sort((a, b) => a - b),
    mechanism: want.mechanism,
  });
}

function reconcileEmulator(want: WantedDomain, have: DomainSnapshot, ready: Command[]): void {
  if (want.emulatorPcpus === null || have.emulatorPins === null) return;
  if (sameList(want.emulatorPcpus, have.emulatorPins)) return;
  ready.push({ kind: "pin-emulator", domain: want.id, pcpus: want.emulatorPcpus });
}

function reconcilePlugs(want: WantedDomain, have: DomainSnapshot, ready: Command[]): void {
  if (have.state !== "running") return;
  const { plug, unplug = [] } = want;
  const free = plug && have.freeSlots?.find((slot) => sameSlot(slot, plug));
  if (free !== undefined) ready.push({ kind: "plug-vcpu", domain: want.id, slot: slotOf(free) });
  for (const vcpu of have.vcpus) {
    if (!unplug.includes(vcpu.index) || isOnline(have, vcpu)) continue;
    ready.push({ kind: "unplug-vcpu", domain: want.id, vcpu: vcpu.index });
  }
}
