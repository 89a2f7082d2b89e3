/** Turns total counters into percentages of one pCPU over the last window of about a second. */
import type { DomainId, Milliseconds, Nanoseconds, VcpuIndex } from "../core/units.ts";
import type { DomainUsage, VcpuUsage } from "../hypervisor/port.ts";

/** Looks come in bursts; differences over less than this are mostly noise of the kernel's accounting. */
const WINDOW_MS_MIN: Milliseconds = 900;
const NS_PER_MS = 1_000_000;

export interface VcpuShare {
  readonly runPercent: number | null;
  readonly waitPercent: number | null;
  readonly stealPercent: number | null;
}

interface Sample {
  readonly at: Milliseconds;
  readonly usage: ReadonlyMap<string, VcpuUsage>;
}

export class UsageWindow {
  /** Two samples at least a window apart, and the newest one. */
  #older: Sample | null = null;
  #base: Sample | null = null;
  #newest: Sample | null = null;

  push(usage: readonly DomainUsage[], at: Milliseconds): void {
    const sample = {
      at,
      usage: new Map(
        usage.flatMap(({ domain, vcpus }) => vcpus.map((vcpu) => [key(domain, vcpu.index), vcpu])),
      ),
    };
    if (this.#base === null || this.#base.at + WINDOW_MS_MIN <= at) {
      this.#older = this.#base;
      this.#base = sample;
    }
    this.#newest = sample;
  }

  shareOf(domain: DomainId, vcpu: VcpuIndex): VcpuShare {
    const from = this.#older ?? this.#base;
    const before = from?.usage.get(key(domain, vcpu));
    const after = this.#newest?.usage.get(key(domain, vcpu));
    const elapsed = (this.#newest?.at ?? 0) - (from?.at ?? 0);
    if (before === undefined || after === undefined || elapsed <= 0) {
      return { runPercent: null, waitPercent: null, stealPercent: null };
    }
    return {
      runPercent: percent(before.run, after.run, elapsed),
      waitPercent: percent(before.wait, after.wait, elapsed),
      stealPercent: percent(before.steal, after.steal, elapsed),
    };
  }

  lastPcpuOf(domain: DomainId, vcpu: VcpuIndex): number | null {
    return this.#newest?.usage.get(key(domain, vcpu))?.lastPcpu ?? null;
  }
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

function key(domain: DomainId, vcpu: VcpuIndex): string {
  return `${vcpu} ${domain}`;
}
