/**
 * What a record says of a host: the longest stretch in which the same domains ran with the same number of vCPUs under the same
 * mode, and what they used in it. The journal says who was there and what each domain ran; the history beside it, where there is
 * one, adds how long vCPUs waited and what the guests' load monitors measured. Pure: files are read by the caller.
 */
import type { ControllerState } from "../../core/controller_state.ts";
import type { ControllerEvent } from "../../core/event.ts";
import type { DomainSnapshot, Snapshot } from "../../core/model.ts";
import type { Policy } from "../../core/policy.ts";
import { type DomainId, MILLI_PER_PCPU, type PcpuId } from "../../core/units.ts";
import type { HistoryView } from "../../protocol/api_history.ts";
import type { Journal } from "../../protocol/journal.ts";
import { mean, variance } from "../statistics/estimate.ts";
import { type HostFacts, NO_HOST_FACTS } from "./host_facts.ts";
import { type Stretch, stretchesOf } from "./stretches.ts";

export interface Recording {
  readonly snapshot: Snapshot;
  readonly policy: Policy;
  /** Those that vbal may divide, ascending. */
  readonly pcpus: readonly PcpuId[];
  /** In the order of the snapshot; paused domains are left out. */
  readonly domains: readonly RecordedDomain[];
  /** How long the stretch is, and the whole journal. */
  readonly seconds: number;
  readonly journalSeconds: number;
  readonly fromMs: number;
  /** vbal changed vCPUs and pins while this was recorded. */
  readonly underVbal: boolean;
  readonly source: "journal" | "journal and history";
  /** In no journal, so whoever knows adds them. */
  readonly facts: HostFacts;
  /** Sentences on what the record lacks. */
  readonly gaps: readonly string[];
}

export interface RecordedDomain {
  readonly id: DomainId;
  /** Plugged, and of those in use. */
  readonly vcpus: number;
  readonly online: number;
  /** Of the vCPUs in use, in order of their index. */
  readonly pins: readonly (readonly PcpuId[])[];
  /** In pCPUs: what all its vCPUs ran, and what they waited for a pCPU. `null`: not recorded. */
  readonly run: Observed;
  readonly wait: Observed | null;
  /** Context switches per second and vCPU, as the guest's kernel counts them. */
  readonly switches: Observed | null;
  /** How often the host put a vCPU on a pCPU, per second and vCPU: seen from outside, whatever the guest tells. */
  readonly dispatches: Observed | null;
  /** Interrupts that its vCPUs sent each other, as its kernel counts them, per second and vCPU. */
  readonly interrupts: Observed | null;
  /** Of looks at its vCPUs on a pCPU, the part that found one in a loop of pauses (hypervisor/qmp/spin_looks.ts). */
  readonly spinning: Observed | null;
  /** Of the time in which its vCPUs ran, by its guest's own account, the part in its kernel. */
  readonly inKernel: Observed | null;
  /** How far its vCPUs were kept from running together, at least: 0 to 1 (core/stacking.ts). */
  readonly stacking: Observed | null;
}

export interface Observed {
  readonly mean: number;
  /** The standard error of the mean, from the spread between seconds. */
  readonly error: number;
}

/** What the history says of one domain between two moments, in milliseconds since 1970; without points: nothing. */
export type ReadHistory = (domain: DomainId, fromMs: number, toMs: number) => HistoryView;

export type WhatIfJournal = Journal<ControllerEvent, ControllerState>;

/** Below this, how the seconds differ says little about the mean. */
export const SECONDS_MIN = 10;
/** A steady host writes no journal: the last stretch may go on in the history for so long. */
const STEADY_MS_MAX = 24 * 3_600_000;

/** `unusable` is a sentence for a person. */
export function recordingOf(
  journal: WhatIfJournal,
  history: ReadHistory | null,
): Recording | { readonly unusable: string } {
  const stretches = stretchesOf(journal.records);
  if (stretches.length === 0) {
    return {
      unusable:
        "The journal holds no observation of a running domain: record a host with domains, at least for a minute",
    };
  }
  const measured = stretches.map((stretch) => measuredIn(stretch, history));
  const best = measured.reduce((a, b) => (a.seconds < b.seconds ? b : a));
  const { stretch, seconds } = best;
  if (best.domains.every(({ run }) => run === null)) {
    return {
      unusable:
        "The record says nowhere what the domains used: the journal has no use in it, and there is no history beside it. Name the history with --history, or record anew with a daemon of this version",
    };
  }
  if (seconds < SECONDS_MIN) {
    return {
      unusable: `The longest stretch with the same domains and vCPUs lasts ${Math.floor(seconds)} s: at least ${SECONDS_MIN} s are needed. Record longer`,
    };
  }
  const known = best.domains.flatMap(({ run, ...domain }) => (run === null ? [] : [{ ...domain, run }]));
  const { policy, snapshot } = stretch;
  const online = snapshot.pcpus.filter((pcpu) => pcpu.online).map(({ id }) => id);
  return {
    snapshot: { ...snapshot, domains: snapshot.domains.filter(({ id }) => known.some((k) => k.id === id)) },
    policy,
    pcpus: policy.pool === null ? online : online.filter((id) => policy.pool!.includes(id)),
    domains: known,
    seconds,
    journalSeconds: stretches.reduce((sum, { fromMs, toMs }) => sum + (toMs - fromMs) / 1_000, 0),
    fromMs: stretch.fromMs,
    underVbal: stretch.underVbal,
    source: known.some(({ wait }) => wait !== null) ? "journal and history" : "journal",
    facts: NO_HOST_FACTS,
    gaps: gapsOf(best, journal),
  };
}

interface Measured {
  readonly stretch: Stretch;
  readonly seconds: number;
  readonly domains: readonly (Omit<RecordedDomain, "run"> & { readonly run: Observed | null })[];
  /** Looks found these on a pCPU, but too few to go by. */
  readonly fewLooks: readonly DomainId[];
}

function measuredIn(stretch: Stretch, history: ReadHistory | null): Measured {
  const { fromMs, isLast, snapshot } = stretch;
  const toMs = isLast ? stretch.toMs + STEADY_MS_MAX : stretch.toMs;
  let endMs = stretch.toMs;
  const fewLooks: DomainId[] = [];
  const domains = snapshot.domains
    .filter(({ state }) => state === "running")
    .map((domain) => {
      const view = history?.(domain.id, fromMs, toMs) ?? null;
      const isWithin = (at: number) => fromMs <= at && at + 1_000 * (view?.pointSeconds ?? 1) <= toMs;
      const known = (values: readonly (number | null)[]) =>
        values.filter((value, i) => value !== null && isWithin(view!.atMs[i]!)) as number[];
      const column = (values: readonly (number | null)[], unit: number) =>
        observed(known(values).map((value) => value / unit));
      const last = view?.atMs.at(-1);
      if (isLast && last !== undefined) endMs = Math.max(endMs, last);
      const waited = view === null ? null : column(view.series.waitMilliPcpu, MILLI_PER_PCPU);
      const stolen = view === null ? null : column(view.series.stealMilliPcpu, MILLI_PER_PCPU);
      const measured = view?.measures.find(({ measure }) => SWITCHES.test(measure));
      const place = placeOf(domain);
      const looks = view === null ? 0 : known(view.series.spinningPart).length;
      const isRarelyFound = 0 < looks && looks < LOOKED_AT_MIN * known(view!.series.runMilliPcpu).length;
      if (isRarelyFound) fewLooks.push(domain.id);
      return {
        ...place,
        run:
          (view === null ? null : column(view.series.runMilliPcpu, MILLI_PER_PCPU)) ??
          stretch.use.get(domain.id) ??
          null,
        // Steal is the same waiting, as the guest is told of it.
        wait: waited ?? stolen,
        switches:
          (view === null ? null : column(view.series.switchesPerSecond, place.online)) ??
          (measured === undefined ? null : column(measured.values, 1)),
        dispatches: view === null ? null : column(view.series.dispatchesPerSecond, place.online),
        interrupts: view === null ? null : column(view.series.interruptsPerSecond, place.online),
        spinning: view === null || isRarelyFound ? null : doubted(known(view.series.spinningPart)),
        inKernel: view === null ? null : column(view.series.inKernelPart, 1),
        stacking: view === null ? null : column(view.series.stackingPart, 1),
      };
    });
  return { stretch, seconds: (endMs - fromMs) / 1_000, domains, fewLooks };
}

/** The average over the guest's vCPUs, by its load monitor: of an older agent, and only where it has a threshold. */
const SWITCHES = /^vm\.switches$/;

/**
 * Of the seconds, the part in which a look must have found a vCPU on a pCPU: one that is put there for some microseconds at a time
 * is found there only when it stays for once, as it does when it spins.
 */
const LOOKED_AT_MIN = 0.5;

/** Seconds in which all looks found the same do not say that none would find anything else. */
function doubted(values: readonly number[]): Observed | null {
  const seen = observed(values);
  return seen?.error === 0 ? { ...seen, error: 1 / values.length } : seen;
}

/** `null` for no values. */
function observed(values: readonly number[]): Observed | null {
  if (values.length === 0) return null;
  const error = values.length < 2 ? 0 : Math.sqrt(variance(values) / values.length);
  return { mean: mean(values), error };
}

function placeOf(domain: DomainSnapshot): Pick<RecordedDomain, "id" | "vcpus" | "online" | "pins"> {
  const reported = new Set(
    domain.guest?.vcpus.flatMap(({ index, online }) => (online ? [index] : [])) ??
      domain.vcpus.map(({ index }) => index),
  );
  const inUse = domain.vcpus.filter(({ index }) => reported.has(index));
  return {
    id: domain.id,
    vcpus: domain.vcpus.length,
    online: Math.max(1, inUse.length),
    pins: inUse.map(({ pins }) => pins ?? []),
  };
}

function gapsOf({ stretch, domains, fewLooks }: Measured, { damage }: WhatIfJournal): string[] {
  const without = (what: (domain: Measured["domains"][number]) => unknown) =>
    domains.filter((domain) => what(domain) === null).map(({ id }) => id);
  const paused = stretch.snapshot.domains.filter(({ state }) => state === "paused").map(({ id }) => id);
  const [noRun, noWait] = [without(({ run }) => run), without(({ wait }) => wait)];
  const noDispatches = without(({ dispatches }) => dispatches);
  const noSwitches = without(({ switches }) => switches);
  const noInterrupts = without(({ interrupts }) => interrupts);
  const noLooks = without(({ spinning }) => spinning).filter((id) => !fewLooks.includes(id));
  const noKernel = without(({ inKernel }) => inKernel);
  return [
    ...damage.map(({ message }) => message),
    ...(noRun.length === 0 ? [] : [`Nothing is recorded of what ${noRun.join(", ")} used: left out`]),
    ...(noWait.length === 0
      ? []
      : [`How long the vCPUs of ${noWait.join(", ")} waited is not recorded: more models are possible`]),
    ...(noDispatches.length === 0
      ? []
      : [
          `How often the host put the vCPUs of ${noDispatches.join(", ")} on a pCPU is not recorded: programs that block may be taken for ones that compute. A daemon of this version keeps it in its history`,
        ]),
    ...(noSwitches.length === 0
      ? []
      : [
          `How often threads in ${noSwitches.join(", ")} take turns is not recorded: programs whose threads wait for each other on one vCPU may be taken for ones that compute. vbal's agent of this version tells it`,
        ]),
    ...(noInterrupts.length === 0
      ? []
      : [
          `How often the vCPUs of ${noInterrupts.join(", ")} interrupted each other is not recorded: programs that spin for a sibling's answer may be taken for ones that compute. vbal's agent of this version tells it, in a guest of two vCPUs or more on x86`,
        ]),
    ...(noLooks.length === 0
      ? []
      : [
          `Whether the vCPUs of ${noLooks.join(", ")} spin was not looked at: programs that spin by themselves may be taken for ones that compute. Set hypervisor.spinLooks in the config, where QEMU is asked over QMP`,
        ]),
    ...(fewLooks.length === 0
      ? []
      : [
          `In fewer than half of the seconds a look found the vCPUs of ${fewLooks.join(", ")} on a pCPU, so whether they spin is left open. Look more often with hypervisor.spinLooks; vCPUs that hardly run, or stay on a pCPU for some microseconds only, are not found there all the same`,
        ]),
    ...(noKernel.length === 0
      ? []
      : [
          `How much of their time the vCPUs of ${noKernel.join(", ")} run in their kernel is not recorded: work and what meeting costs are told apart less well. vbal's agent of this version tells it`,
        ]),
    ...(paused.length === 0 ? [] : [`Paused and left out: ${paused.join(", ")}`]),
  ];
}
