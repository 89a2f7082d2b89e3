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

  /**
   * Draws duration `d` into `out[at]`: whole nanoseconds, rounded once, here. (A returned fraction would be allocated
   * wherever this is not inlined.)
   */
  drawInto(out: Float64Array, at: number, d: number, key: number, n: number): void {
    const low = this.low[d];
    switch (this.kind[d]) {
      case CONSTANT:
        out[at] = Math.floor(low + 0.5);
        return;
      case SHIFTED_EXPONENTIAL:
        out[at] = Math.floor(low + this.spread[d] * exponential(bits(key, n)) + 0.5);
        return;
      case UNIFORM:
        out[at] = Math.floor(low + this.spread[d] * uniform(bits(key, n)) + 0.5);
        return;
      default: {
        const mean = uniform(bits(key ^ SECOND_DRAW, n)) < this.probability[d] ? low : this.spread[d];
        out[at] = Math.floor(mean * exponential(bits(key, n)) + 0.5);
      }
    }
  }

  draw(d: number, key: number, n: number): number {
    this.drawInto(SCRATCH, 0, d, key, n);
    return SCRATCH[0];
  }
}

/** Turns a key into that of an independent stream, where one draw needs two random numbers. */
const SECOND_DRAW = 0x5bd1e995;
const SCRATCH: Float64Array = new Float64Array(1);
