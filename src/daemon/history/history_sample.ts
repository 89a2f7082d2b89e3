/** One second of the host, as the history keeps it. */
import { MILLI_PER_PCPU, type MilliPcpu } from "../../core/units.ts";
import type { DomainView, LoadView, StateView, VcpuView } from "../../protocol/state_view.ts";

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

export function sampleOf(view: StateView, counts: ReadonlyMap<string, DomainCounts>): HistorySample {
  const domains = view.domains.map((domain) => domainRow(domain, counts.get(domain.name) ?? NO_COUNTS));
  const pcpus = view.host.pcpus.map(({ id }) => pcpuRow(id, view.domains));
  return {
    at: Math.floor(view.atMs / SECOND_MS),
    rows: [hostRow(domains), ...domains, ...pcpus],
    measures: view.domains.flatMap(({ name, load }) => measureRows(name, load)),
  };
}

function domainRow(domain: DomainView, counts: DomainCounts): HistoryRow {
  const of = (share: (vcpu: VcpuView) => number | null, unit = MILLI_PER_PERCENT) =>
    sum(domain.vcpus.map(share), unit);
  return {
    kind: "domain",
    name: domain.name,
    run: of(({ runPercent }) => runPercent),
    wait: of(({ waitPercent }) => waitPercent),
    steal: of(({ stealPercent }) => stealPercent),
    dispatches: of(({ dispatchesPerSecond }) => dispatchesPerSecond, 1),
    interrupts: domain.interruptsPerSecond,
    online: domain.online,
    target: domain.target,
    entitlement: domain.entitlementMilliPcpu,
    ...counts,
  };
}

/** A vCPU counts for the pCPU that it was last seen on: exact for those with a pCPU of their own. */
function pcpuRow(id: number, domains: readonly DomainView[]): HistoryRow {
  const here = domains.flatMap(({ vcpus }) => vcpus.filter(({ lastPcpu }) => lastPcpu === id));
  return {
    kind: "pcpu",
    name: `${id}`,
    run:
      sum(
        here.map(({ runPercent }) => runPercent),
        MILLI_PER_PERCENT,
      ) ?? 0,
    wait:
      sum(
        here.map(({ waitPercent }) => waitPercent),
        MILLI_PER_PERCENT,
      ) ?? 0,
    steal: null,
    // A vCPU is dispatched wherever it may run, not only where it was seen last.
    dispatches: null,
    interrupts: null,
    online: here.filter(({ online }) => online === true).length,
    target: null,
    entitlement: null,
    ...NO_COUNTS,
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
    online: of(({ online }) => online),
    target: of(({ target }) => target),
    entitlement: of(({ entitlement }) => entitlement),
    requests: of(({ requests }) => requests) ?? 0,
    denials: of(({ denials }) => denials) ?? 0,
    changes: of(({ changes }) => changes) ?? 0,
  };
}

/** Of several vCPUs or nodes, the one that is shortest of vCPUs says most: the highest value. */
function measureRows(domain: string, load: LoadView | undefined): MeasureRow[] {
  return (load?.measures ?? [])
    .filter(({ threshold }) => threshold !== null)
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
