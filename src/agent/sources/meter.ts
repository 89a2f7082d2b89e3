/** Measures what each stage of the load monitor takes of a vCPU, and keeps the account (monitor/budget.ts) with it. */
import { type Budget, openBudget, type Stage, settle } from "../monitor/budget.ts";
import type { Platform } from "../platform.ts";
import type { WatchCost } from "./queue_watch.ts";

export class Meter {
  readonly #platform: Platform;
  #budget: Budget;
  /** Since the last settlement. */
  #spent: Partial<Record<Stage, number>> = {};
  /** What stages took that are part of the one under way. */
  #innerMs = 0;
  /** By the watch. */
  #readings = 0;

  constructor(platform: Platform, share: number) {
    this.#platform = platform;
    this.#budget = settle(openBudget(share), this.#now());
  }

  /** As of the last settlement. */
  get budget(): Budget {
    return this.#budget;
  }

  /** Does the work. A stage may be part of another: each is charged with what it took itself. */
  charged<T>(stage: Stage, work: () => T): T {
    const outerMs = this.#innerMs;
    this.#innerMs = 0;
    const startMs = this.#platform.cpuMs();
    try {
      return work();
    } finally {
      const allMs = this.#platform.cpuMs() - startMs;
      this.#spent[stage] = (this.#spent[stage] ?? 0) + Math.max(0, allMs - this.#innerMs);
      this.#innerMs = outerMs + allMs;
    }
  }

  /** What was done meanwhile by a watch on the run queues. */
  watched({ readings, cpuMs }: WatchCost): void {
    this.#spent.watch = (this.#spent.watch ?? 0) + cpuMs;
    this.#readings += readings;
  }

  /** Nothing that was done since the last settlement is charged, nor taken as what a stage costs. */
  forgive(): void {
    this.#spent = {};
    this.#readings = 0;
    this.#budget = { ...this.#budget, last: { atMs: this.#platform.nowMs(), cpuMs: this.#platform.cpuMs() } };
  }

  /** A round is over. */
  settle(): Budget {
    this.#budget = settle(this.#budget, this.#now());
    this.#spent = {};
    this.#readings = 0;
    return this.#budget;
  }

  #now(): Parameters<typeof settle>[1] {
    return {
      atMs: this.#platform.nowMs(),
      cpuMs: this.#platform.cpuMs(),
      spent: this.#spent,
      readings: this.#readings,
    };
  }
}
