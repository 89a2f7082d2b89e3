/**
 * Turns total counters into rates over the last second: percentages of one pCPU for people, and for the controller the
 * pCPU time that each domain used or waited for. A vCPU that waits for a pCPU has work that it cannot do: a domain that
 * others keep off its pCPUs is not quiet, and would else be denied vCPUs, and lose those it has, for being starved.
 *
 * Looks come in bursts, and differences over less than a second are mostly noise of the kernel's accounting; so samples
 * are kept, thinned, for as long as a window lasts.
 */
import { type DomainUse, USE_STEP } from "../core/event.ts";
import {
  type DomainId,
  MILLI_PER_PCPU,
  type Milliseconds,
  type Nanoseconds,
  type VcpuIndex,
} from "../core/units.ts";
import type { DomainUsage, VcpuUsage } from "../hypervisor/port.ts";

const WINDOW_MS_MIN: Milliseconds = 900;
/** Samples closer than this are one: so many of them make a window. */
const SAMPLE_GAP_MS: Milliseconds = 100;
/** After a start, what was used is not told before so much time was watched. */
const USE_MS_MIN: Milliseconds = 500;
/**
 * The step that was told holds until the use is this far from it, so that neither the edge of two steps nor the usual
 * unrest of a busy guest is news: every news is a line of the journal.
 */
const USE_HOLD = 0.75 * USE_STEP;
const USE_HOLD_PART = 0.05;
const NS_PER_MS = 1_000_000;
const MS_PER_SECOND = 1_000;

/** `null`: not known. */
export interface VcpuShare {
  readonly runPercent: number | null;
  readonly waitPercent: number | null;
  readonly stealPercent: number | null;
  readonly dispatchesPerSecond: number | null;
}

interface Sample {
  readonly at: Milliseconds;
  readonly usage: ReadonlyMap<DomainId, ReadonlyMap<VcpuIndex, VcpuUsage>>;
}

interface SeenDomain {
  readonly id: DomainId;
  readonly vcpus: readonly VcpuIndex[];
  readonly interruptsPerSecond: number | null;
  readonly switchesPerSecond: number | null;
  readonly spinning: number | null;
  readonly inKernel: number | null;
}

export class UsageWindow {
  /** Oldest first; all but the oldest are younger than a window. */
  #samples: Sample[] = [];
  #domains: readonly SeenDomain[] = [];
  #use: readonly DomainUse[] = [];
  readonly #waitingIsUse: boolean;

  /** `waitingIsUse` is switched off only by the test that shows what it is there for. */
  constructor({ waitingIsUse } = { waitingIsUse: true }) {
    this.#waitingIsUse = waitingIsUse;
  }

  push(usage: readonly DomainUsage[], at: Milliseconds): void {
    const sample = {
      at,
      usage: new Map(
        usage.map(({ domain, vcpus }) => [domain, new Map(vcpus.map((vcpu) => [vcpu.index, vcpu]))]),
      ),
    };
    this.#domains = usage.map(({ domain, vcpus, ...seen }) => ({
      id: domain,
      vcpus: vcpus.map(({ index }) => index),
      ...seen,
    }));
    const beforeLast = this.#samples.at(-2);
    if (beforeLast !== undefined && at < beforeLast.at + SAMPLE_GAP_MS) this.#samples.pop();
    this.#samples.push(sample);
    const base = this.#samples.findLastIndex((older) => older.at + WINDOW_MS_MIN <= at);
    if (0 < base) this.#samples = this.#samples.slice(base);
  }

  /** What each domain used of late; `null`: as it was when this was asked last. */
  newUse(): readonly DomainUse[] | null {
    const told = new Map(this.#use.map(({ domain, used }) => [domain, used]));
    const use = this.#domains
      .flatMap(({ id, vcpus }): DomainUse[] => {
        const used = this.#usedBy(id, vcpus);
        return used === null ? [] : [{ domain: id, used: inSteps(used, told.get(id)) }];
      })
      .sort((a, b) => (a.domain < b.domain ? -1 : 1));
    if (JSON.stringify(use) === JSON.stringify(this.#use)) return null;
    this.#use = use;
    return use;
  }

  shareOf(domain: DomainId, vcpu: VcpuIndex): VcpuShare {
    const { from, to, elapsed } = this.#span();
    const before = from?.usage.get(domain)?.get(vcpu);
    const after = to?.usage.get(domain)?.get(vcpu);
    if (before === undefined || after === undefined || elapsed <= 0) {
      return { runPercent: null, waitPercent: null, stealPercent: null, dispatchesPerSecond: null };
    }
    const dispatches = grown(before.dispatches, after.dispatches);
    return {
      runPercent: percent(before.run, after.run, elapsed),
      waitPercent: percent(before.wait, after.wait, elapsed),
      stealPercent: percent(before.steal, after.steal, elapsed),
      dispatchesPerSecond: dispatches === null ? null : Math.round((MS_PER_SECOND * dispatches) / elapsed),
    };
  }

  interruptsPerSecondOf(domain: DomainId): number | null {
    return this.#domains.find(({ id }) => id === domain)?.interruptsPerSecond ?? null;
  }

  switchesPerSecondOf(domain: DomainId): number | null {
    return this.#domains.find(({ id }) => id === domain)?.switchesPerSecond ?? null;
  }

  /** 0 to 1: what spun in the last look, and what was the kernel's by the guest's last word; `null`: not known. */
  partsOf(domain: DomainId): Pick<DomainUsage, "spinning" | "inKernel"> {
    const { spinning = null, inKernel = null } = this.#domains.find(({ id }) => id === domain) ?? {};
    return { spinning, inKernel };
  }

  lastPcpuOf(domain: DomainId, vcpu: VcpuIndex): number | null {
    return this.#samples.at(-1)?.usage.get(domain)?.get(vcpu)?.lastPcpu ?? null;
  }

  /** Of those of its vCPUs that could be measured; `null`: of none. */
  #usedBy(domain: DomainId, vcpus: readonly VcpuIndex[]): number | null {
    const { from, to, elapsed } = this.#span();
    if (elapsed < USE_MS_MIN) return null;
    const rates = vcpus.flatMap((vcpu) => {
      const before = from?.usage.get(domain)?.get(vcpu);
      const after = to?.usage.get(domain)?.get(vcpu);
      const ran = grown(before?.run, after?.run);
      if (ran === null) return [];
      const waited = this.#waitingIsUse ? (grown(before?.wait, after?.wait) ?? 0) : 0;
      // Two counters that are read one after the other: what a vCPU wants is not more than one pCPU for waiting.
      const wanted = Math.max(ran, Math.min(ran + waited, elapsed * NS_PER_MS));
      return [(MILLI_PER_PCPU * wanted) / (elapsed * NS_PER_MS)];
    });
    return rates.length === 0 ? null : rates.reduce((sum, rate) => sum + rate, 0);
  }

  #span(): { readonly from: Sample | undefined; readonly to: Sample | undefined; readonly elapsed: number } {
    const from = this.#samples[0];
    const to = this.#samples.at(-1);
    return { from, to, elapsed: (to?.at ?? 0) - (from?.at ?? 0) };
  }
}

function inSteps(used: number, told: number | undefined): number {
  if (told !== undefined && Math.abs(used - told) < Math.max(USE_HOLD, USE_HOLD_PART * told)) return told;
  return USE_STEP * Math.round(used / USE_STEP);
}

/** `null` when a counter is missing or ran backwards. */
function grown(before: number | null | undefined, after: number | null | undefined): number | null {
  return before == null || after == null || after < before ? null : after - before;
}

/** One decimal; `null` when a counter is missing or ran backwards, as it does when a domain is started anew. */
function percent(
  before: Nanoseconds | null,
  after: Nanoseconds | null,
  elapsed: Milliseconds,
): number | null {
  if (before === null || after === null || after < before) return null;
  return Math.round((1000 * (after - before)) / (elapsed * NS_PER_MS)) / 10;
}
