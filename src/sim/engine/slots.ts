/**
 * Slots: each pCPU has at most one event armed, the earliest of what can happen to it next (SLOT_*). Preemption
 * overwrites the slot, so nothing is ever cancelled.
 *
 * Up to SCAN_MAX pCPUs the earliest is found by scanning the times, which a processor does faster than it can follow
 * a heap; above that by a winner tree over pCPUs.
 */
import { tieRank } from "./tie_rank.ts";

/** What a pCPU's slot is armed with. At equal times on one pCPU the lower goes first. */
export const SLOT_WORK = 0;
export const SLOT_GUEST = 1;
export const SLOT_HOST = 2;

/** Measured: scan and tree cross at about 32 slots. */
const SCAN_MAX = 32;

export class Slots {
  readonly time: Float64Array;
  readonly kind: Uint8Array;
  private readonly count: number;
  private readonly salt: number;
  private readonly leaves: number;
  private readonly winner: Int32Array;

  constructor(count: number, salt: number) {
    this.count = count;
    this.salt = salt;
    let leaves = 1;
    while (leaves < count) leaves *= 2;
    this.leaves = leaves;
    this.time = new Float64Array(leaves).fill(Number.POSITIVE_INFINITY);
    this.kind = new Uint8Array(leaves);
    this.winner = new Int32Array(2 * leaves);
    for (let i = 0; i < leaves; i++) this.winner[leaves + i] = i;
    for (let node = leaves - 1; node >= 1; node--) this.winner[node] = this.winner[2 * node];
  }

  arm(slot: number, at: number, kind: number): void {
    this.time[slot] = at;
    this.kind[slot] = kind;
    if (this.count > SCAN_MAX) this.replay(slot);
  }

  /** The slot that is due first; its time is Infinity when none is armed. */
  first(): number {
    if (this.count > SCAN_MAX) return this.winner[1];
    const time = this.time;
    let best = 0;
    let bestTime = time[0];
    for (let slot = 1; slot < this.count; slot++) {
      const t = time[slot];
      if (t < bestTime || (t === bestTime && this.rankOf(slot) < this.rankOf(best))) {
        bestTime = t;
        best = slot;
      }
    }
    return best;
  }

  rankOf(slot: number): number {
    return tieRank(this.kind[slot], slot, this.salt);
  }

  private replay(slot: number): void {
    const { time, winner } = this;
    for (let node = (this.leaves + slot) >> 1; node >= 1; node >>= 1) {
      const left = winner[2 * node];
      const right = winner[2 * node + 1];
      const tl = time[left];
      const tr = time[right];
      winner[node] = tr < tl || (tr === tl && this.rankOf(right) < this.rankOf(left)) ? right : left;
    }
  }
}
