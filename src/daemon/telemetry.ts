/**
 * What the daemon records of itself for metrics and history: it times and counts here, in the loop's thread, and hands over
 * to other threads what costs time. It decides nothing.
 */
import type { DomainUsage } from "../hypervisor/port.ts";
import { type DomainCounts, NO_COUNTS, type SampleParts, sampleOf } from "./history/history_sample.ts";
import type { History } from "./history/start_history.ts";
import { LatencyWatch, type WatchedStep } from "./metrics/latency_watch.ts";
import type { Meters } from "./metrics/meters.ts";
import type { MetricFact } from "./metrics/metric_fact.ts";

const MS_PER_SECOND = 1_000;
/** Facts are fetched with every look; while the API is being started again, the oldest go. */
const FACTS_MAX = 10_000;

export class Telemetry {
  readonly #history: History;
  readonly #onFault: (message: string) => void;
  #lastFault: string | null = null;
  readonly #latencies = new LatencyWatch();
  readonly #counts = new Map<string, DomainCounts>();
  #facts: MetricFact[] = [];
  #usage: readonly DomainUsage[] = [];
  #sampledAt = Number.NEGATIVE_INFINITY;

  constructor(history: History, onFault: (message: string) => void) {
    this.#history = history;
    this.#onFault = onFault;
  }

  took(what: "step" | "observation", ms: number): void {
    this.#facts.push({ kind: what, seconds: ms / MS_PER_SECOND });
    if (FACTS_MAX < this.#facts.length) this.#facts = this.#facts.slice(-FACTS_MAX / 2);
  }

  onStep(taken: WatchedStep): void {
    for (const fact of this.#latencies.take(taken)) {
      this.#facts.push(fact);
      this.#count(fact);
    }
  }

  /** A new second is kept. A fault in what people look at must not end control: it is told. */
  onObservation(usage: readonly DomainUsage[], parts: SampleParts): void {
    this.#usage = usage;
    const { now } = parts;
    const second = Math.floor(now / MS_PER_SECOND);
    if (second <= this.#sampledAt) return;
    this.#sampledAt = second;
    try {
      this.#history.keep(sampleOf(parts, this.#counts));
    } catch (error) {
      const fault = `Internal fault, this second is not in the history: ${error instanceof Error ? error.stack : String(error)}`;
      if (fault !== this.#lastFault) this.#onFault(fault);
      this.#lastFault = fault;
    }
    this.#counts.clear();
  }

  /** Everything since the last call. */
  takeFacts(): readonly MetricFact[] {
    const facts = this.#facts;
    this.#facts = [];
    return facts;
  }

  meters(journalBytes: number): Meters {
    return { usage: this.#usage, journalBytes, history: this.#history.meters };
  }

  async close(): Promise<void> {
    await this.#history.close();
  }

  #count(fact: MetricFact): void {
    if (fact.kind !== "answer" && fact.kind !== "change") return;
    const { requests, denials, changes } = this.#counts.get(fact.domain) ?? NO_COUNTS;
    this.#counts.set(fact.domain, {
      requests: requests + (fact.kind === "answer" ? 1 : 0),
      denials: denials + (fact.kind === "answer" && fact.reason !== "" ? 1 : 0),
      changes: changes + (fact.kind === "change" ? 1 : 0),
    });
  }
}
