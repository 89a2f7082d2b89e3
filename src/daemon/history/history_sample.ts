/** One second of the host, as the history keeps it. */
import type { ControllerState } from "../../core/controller_state.ts";
import type { DomainSnapshot } from "../../core/model.ts";
import type { DomainPlan } from "../../core/plan.ts";
import { onlineOf } from "../../core/reconcile.ts";
import { stackingOf } from "../../core/stacking.ts";
import { MILLI_PER_PCPU, type MilliPcpu, type Milliseconds, type PcpuId } from "../../core/units.ts";
import type { DomainLoad } from "../../hypervisor/port.ts";
import type { UsageWindow, VcpuShare } from "../usage_window.ts";

export interface HistorySample {
  /** Whole seconds since 1970. */
  readonly at: number;
  readonly rows: readonly HistoryRow[];
  readonly measures: readonly MeasureRow[];
}

/** `null`: not known, or not of this kind. */
export interface HistoryRow {
  readonly kind: "host" | "domain" | "pcpu";
  readonly name: string;
  readonly run: MilliPcpu | null;
  readonly wait: MilliPcpu | null;
  readonly steal: MilliPcpu | null;
  /** Of all its vCPUs, per second. */
  readonly dispatches: number | null;
  /** That its vCPUs sent each other, per second: the same until its guest reports again. */
  readonly interrupts: number | null;
  /** From one thread to another, of all its vCPUs, per second: the same until its guest reports again. */
  readonly switches: number | null;
  /** Of its vCPUs that were looked at last, the part that spun: 0 to 1. Of a domain only. */
  readonly spinning: number | null;
  /**
   * Of the time in which its vCPUs ran, by its guest's own account, the part in its kernel: 0 to 1, the same until it
   * reports again. Of a domain only.
   */
  readonly inKernel: number | null;
  /** How far its vCPUs were kept from running together: 0 to 1. Of a domain only. */
  readonly stacking: number | null;
  readonly online: number | null;
  readonly target: number | null;
  readonly entitlement: MilliPcpu | null;
  readonly requests: number;
  readonly denials: number;
  readonly changes: number;
}

export interface MeasureRow {
  readonly domain: string;
  readonly measure: string;
  readonly value: number;
}

/** What happened to a domain since the last sample. */
export interface DomainCounts {
  readonly requests: number;
  readonly denials: number;
  readonly changes: number;
}

export const NO_COUNTS: DomainCounts = { requests: 0, denials: 0, changes: 0 };

/** A person sets thresholds for a handful of measures; more of one domain are not kept. */
const MEASURES_MAX = 8;
const SECOND_MS = 1_000;
const MILLI_PER_PERCENT = MILLI_PER_PCPU / 100;

/** What the loop knows; not the view that people see, which takes several times as long to make, every second. */
export interface SampleParts {
  readonly now: Milliseconds;
  readonly state: ControllerState;
  readonly usage: UsageWindow;
  readonly load: readonly DomainLoad[];
}

export function sampleOf(parts: SampleParts, counts: ReadonlyMap<string, DomainCounts>): HistorySample {
  const { now, state, usage, load } = parts;
  const plans = new Map((state.plan?.domains ?? []).map((plan) => [plan.id, plan]));
  const here = new Map<PcpuId, VcpuSeen[]>((state.snapshot?.pcpus ?? []).map(({ id }) => [id, []]));
  const domains = (state.snapshot?.domains ?? []).map((domain) => {
    const vcpus = vcpusSeen(domain, usage);
    // A vCPU counts for the pCPU that it was last seen on: exact for those with a pCPU of their own.
    for (const vcpu of vcpus) if (vcpu.lastPcpu !== null) here.get(vcpu.lastPcpu)?.push(vcpu);
    return domainRow(domain, {
      vcpus,
      interrupts: usage.interruptsPerSecondOf(domain.id),
      switches: usage.switchesPerSecondOf(domain.id),
      ...usage.partsOf(domain.id),
      plan: plans.get(domain.id),
      counts: counts.get(domain.id),
    });
  });
  const pcpus = [...here].map(([id, vcpus]) => pcpuRow(id, vcpus));
  return {
    at: Math.floor(now / SECOND_MS),
    rows: [hostRow(domains), ...domains, ...pcpus],
    measures: load.flatMap(measureRows),
  };
}

interface VcpuSeen extends VcpuShare {
  readonly online: boolean;
  readonly lastPcpu: PcpuId | null;
}

function vcpusSeen(domain: DomainSnapshot, usage: UsageWindow): VcpuSeen[] {
  const online = onlineOf(domain) ?? [];
  return domain.vcpus.map(({ index }) => ({
    online: online.includes(index),
    lastPcpu: usage.lastPcpuOf(domain.id, index),
    ...usage.shareOf(domain.id, index),
  }));
}

interface DomainParts {
  readonly vcpus: readonly VcpuSeen[];
  /** Per second. */
  readonly interrupts: number | null;
  readonly switches: number | null;
  /** 0 to 1. */
  readonly spinning: number | null;
  readonly inKernel: number | null;
  readonly plan: DomainPlan | undefined;
  readonly counts: DomainCounts | undefined;
}

function domainRow(domain: DomainSnapshot, parts: DomainParts): HistoryRow {
  const { vcpus, interrupts, switches, spinning, inKernel, plan, counts = NO_COUNTS } = parts;
  return {
    kind: "domain",
    name: domain.id,
    ...sharesOf(vcpus),
    interrupts,
    switches,
    spinning,
    inKernel,
    stacking: stackingSeen(vcpus),
    online: onlineOf(domain)?.length ?? null,
    target: plan?.target ?? null,
    entitlement: plan?.entitlement ?? null,
    ...counts,
  };
}

/** A guest that hardly runs has its vCPUs where they happened to be when they ran last. */
const STACKING_PERCENT_MIN = 10;

/** A vCPU is taken to have run where it was seen last: who is moved within the second is so for part of it. */
function stackingSeen(vcpus: readonly VcpuSeen[]): number | null {
  const online = vcpus.filter((vcpu) => vcpu.online);
  const seen = online.map(({ runPercent, lastPcpu }) => ({ ran: runPercent, pcpu: lastPcpu }));
  return stackingOf(seen, STACKING_PERCENT_MIN);
}

function pcpuRow(id: PcpuId, vcpus: readonly VcpuSeen[]): HistoryRow {
  const { run, wait } = sharesOf(vcpus);
  return {
    kind: "pcpu",
    name: `${id}`,
    run: run ?? 0,
    wait: wait ?? 0,
    steal: null,
    // A vCPU is dispatched wherever it may run, not only where it was seen last.
    dispatches: null,
    interrupts: null,
    switches: null,
    spinning: null,
    inKernel: null,
    stacking: null,
    online: vcpus.filter(({ online }) => online).length,
    target: null,
    entitlement: null,
    ...NO_COUNTS,
  };
}

function sharesOf(vcpus: readonly VcpuShare[]): Pick<HistoryRow, "run" | "wait" | "steal" | "dispatches"> {
  const of = (share: (vcpu: VcpuShare) => number | null, unit = MILLI_PER_PERCENT) =>
    sum(vcpus.map(share), unit);
  return {
    run: of(({ runPercent }) => runPercent),
    wait: of(({ waitPercent }) => waitPercent),
    steal: of(({ stealPercent }) => stealPercent),
    dispatches: of(({ dispatchesPerSecond }) => dispatchesPerSecond, 1),
  };
}

function hostRow(domains: readonly HistoryRow[]): HistoryRow {
  const of = (part: (row: HistoryRow) => number | null) => sum(domains.map(part), 1);
  return {
    kind: "host",
    name: "",
    run: of(({ run }) => run),
    wait: of(({ wait }) => wait),
    steal: of(({ steal }) => steal),
    dispatches: of(({ dispatches }) => dispatches),
    interrupts: of(({ interrupts }) => interrupts),
    switches: of(({ switches }) => switches),
    // Parts of domains do not add up.
    spinning: null,
    inKernel: null,
    stacking: null,
    online: of(({ online }) => online),
    target: of(({ target }) => target),
    entitlement: of(({ entitlement }) => entitlement),
    requests: of(({ requests }) => requests) ?? 0,
    denials: of(({ denials }) => denials) ?? 0,
    changes: of(({ changes }) => changes) ?? 0,
  };
}

/** Of several vCPUs or nodes, the one that is shortest of vCPUs says most: the highest value. */
function measureRows({ domain, measures, thresholds }: DomainLoad): MeasureRow[] {
  const watched = new Set(thresholds.flatMap(({ measure, value }) => (value === null ? [] : [measure])));
  return measures
    .filter(({ measure }) => watched.has(measure))
    .slice(0, MEASURES_MAX)
    .flatMap(({ measure, values }) => {
      const known = values.filter((value) => value !== null);
      return known.length === 0 ? [] : [{ domain, measure, value: Math.max(...known) }];
    });
}

/** Of what is known; `null` when nothing is. */
function sum(values: readonly (number | null)[], times: number): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : Math.round(times * known.reduce((total, value) => total + value, 0));
}
