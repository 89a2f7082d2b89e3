/**
 * How long the vCPUs' threads ran on the host, from the totals that the host sends while the guest works (P-25). The
 * host's messages and the guest's samples have different rhythms: what is kept is the rate between the last two messages.
 */
import type { HostTimes } from "./monitor/vcpu_loads.ts";
import type { Platform } from "./platform.ts";

export class HostClock {
  readonly #platform: Platform;
  #last: { readonly atMs: number; readonly totals: ReadonlyMap<number, number> } | null = null;
  #rates: { readonly atMs: number; readonly perMs: ReadonlyMap<number, number> } | null = null;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  hear(vcpus: readonly { readonly vcpu: number; readonly runNs: number }[]): void {
    const atMs = this.#platform.nowMs();
    const totals = new Map(vcpus.map(({ vcpu, runNs }) => [vcpu, runNs]));
    const last = this.#last;
    const spanMs = last === null ? 0 : atMs - last.atMs;
    // Two that arrive together were sent apart: their distance is worth nothing.
    if (last !== null && spanMs < SPAN_MIN_MS) return;
    this.#last = { atMs, totals };
    this.#rates =
      last === null || SPAN_MAX_MS < spanMs ? null : { atMs, perMs: ratesOf(last.totals, totals, spanMs) };
  }

  /** In an interval that ends now; `null` where the host has not told of late. */
  within(intervalMs: number): HostTimes | null {
    if (this.#rates === null || FRESH_MS < this.#platform.nowMs() - this.#rates.atMs) return null;
    return {
      runNs: new Map([...this.#rates.perMs].map(([vcpu, perMs]) => [vcpu, perMs * intervalMs])),
    };
  }
}

const SPAN_MIN_MS = 200;
/** The host tells a guest that works once in some three seconds, and less than five. */
const FRESH_MS = 5_000;
/** Longer ago the guest was at rest: a rate over all of it tells nothing of now. */
const SPAN_MAX_MS = FRESH_MS;
const NS_PER_MS = 1_000_000;

/** A vCPU that is new, or whose thread began anew, has no rate yet; none runs for longer than the time that passes. */
function ratesOf(
  before: ReadonlyMap<number, number>,
  after: ReadonlyMap<number, number>,
  spanMs: number,
): ReadonlyMap<number, number> {
  const rates = new Map<number, number>();
  for (const [vcpu, runNs] of after) {
    const then = before.get(vcpu);
    if (then !== undefined && then <= runNs) rates.set(vcpu, Math.min(NS_PER_MS, (runNs - then) / spanMs));
  }
  return rates;
}
