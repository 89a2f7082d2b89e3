/** Durations compiled to columns, and drawn: the n-th draw of a task is a pure function of its key and n. */
import { bits, exponential, uniform } from "../engine/draw.ts";
import type { Duration } from "./program.ts";

const CONSTANT = 0;
const SHIFTED_EXPONENTIAL = 1;
const UNIFORM = 2;
const MIXED_EXPONENTIAL = 3;

export class Durations {
  private readonly kind: Uint8Array;
  private readonly low: Float64Array;
  private readonly spread: Float64Array;
  private readonly probability: Float64Array;

  constructor(all: readonly Duration[]) {
    this.kind = new Uint8Array(all.length);
    this.low = new Float64Array(all.length);
    this.spread = new Float64Array(all.length);
    this.probability = new Float64Array(all.length);
    all.forEach((duration, d) => {
      if (typeof duration === "number") {
        this.low[d] = duration;
      } else if ("low" in duration) {
        this.kind[d] = UNIFORM;
        this.low[d] = duration.low;
        this.spread[d] = duration.high - duration.low;
      } else if (duration.cv <= 1) {
        this.kind[d] = duration.cv === 0 ? CONSTANT : SHIFTED_EXPONENTIAL;
        this.low[d] = duration.mean * (1 - duration.cv);
        this.spread[d] = duration.mean * duration.cv;
      } else {
        // Two exponentials, each with half of the mean: p1 = (1 + sqrt((c2 - 1) / (c2 + 1))) / 2.
        const c2 = duration.cv * duration.cv;
        const p = (1 + Math.sqrt((c2 - 1) / (c2 + 1))) / 2;
        this.kind[d] = MIXED_EXPONENTIAL;
        this.probability[d] = p;
        this.low[d] = duration.mean / (2 * p);
        this.spread[d] = duration.mean / (2 * (1 - p));
      }
    });
  }

  /** Whole nanoseconds, rounded once, here. */
  draw(d: number, key: number, n: number): number {
    const low = this.low[d];
    switch (this.kind[d]) {
      case CONSTANT:
        return Math.floor(low + 0.5);
      case SHIFTED_EXPONENTIAL:
        return Math.floor(low + this.spread[d] * exponential(bits(key, n)) + 0.5);
      case UNIFORM:
        return Math.floor(low + this.spread[d] * uniform(bits(key, n)) + 0.5);
      default: {
        const u = bits(key, n);
        const mean = uniform(bits(key ^ 0x5bd1e995, n)) < this.probability[d] ? low : this.spread[d];
        return Math.floor(mean * exponential(u) + 0.5);
      }
    }
  }
}
