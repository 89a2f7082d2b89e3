/**
 * Slots: each pCPU has at most one event armed, the earliest of what can happen to it next (SLOT_*). Preemption
 * overwrites the slot, so nothing is ever cancelled. At equal times the lower pCPU goes first, or, with a tie salt, the
 * one with the lower salted rank.
 *
 * Up to SCAN_MAX pCPUs the earliest is found by scanning the times, which a processor does faster than it can follow
 * a heap; above that by a winner tree over pCPUs.
 */
import { tieRank } from "./tie_rank.ts";

/** What a pCPU's slot is armed with. At equal times on one pCPU the lower is armed. */
export const SLOT_WORK = 0;
export const SLOT_GUEST = 1;
export const SLOT_HOST = 2;

/** Measured: scan and tree cross at about 32 slots. */
const SCAN_MAX = 32;

export class Slots {
  readonly time: Float64Array;
  readonly kind: Uint8Array;
  private readonly count: number;
  private readonly isTree: boolean;
  private readonly isSalted: boolean;
  private readonly rank: Int32Array;
  private readonly leaves: number;
  private readonly winner: Int32Array;

  constructor(count: number, salt: number) {
    this.count = count;
    this.isTree = count > SCAN_MAX;
    this.isSalted = salt !== 0;
    let leaves = 1;
    while (leaves < count) leaves *= 2;
    this.leaves = leaves;
    this.time = new Float64Array(leaves).fill(Number.POSITIVE_INFINITY);
    this.kind = new Uint8Array(leaves);
    this.rank = Int32Array.from({ length: leaves }, (_, slot) => tieRank(0, slot, salt));
    this.winner = new Int32Array(2 * leaves);
    for (let i = 0; i < leaves; i++) this.winner[leaves + i] = i;
    for (let node = leaves - 1; node >= 1; node--) this.replayNode(node);
  }

  arm(slot: number, at: number, kind: number): void {
    this.time[slot] = at;
    this.kind[slot] = kind;
    if (this.isTree) this.replay(slot);
  }

  /** The slot that is due first; its time is Infinity when none is armed. */
  first(): number {
    if (this.isTree) return this.winner[1];
    const { time, count } = this;
    let best = 0;
    let bestTime = time[0];
    for (let slot = 1; slot < count; slot++) {
      const t = time[slot];
      if (t > bestTime) continue;
      if (t < bestTime) {
        bestTime = t;
        best = slot;
      }
    }
    return this.isSalted ? this.lowestRank(bestTime) : best;
  }

  private lowestRank(time: number): number {
    let best = -1;
    for (let slot = 0; slot < this.count; slot++) {
      if (this.time[slot] === time && (best < 0 || this.rank[slot] < this.rank[best])) best = slot;
    }
    return best;
  }

  rankOf(slot: number): number {
    return this.rank[slot];
  }

  private replay(slot: number): void {
    for (let node = (this.leaves + slot) >> 1; node >= 1; node >>= 1) this.replayNode(node);
  }

  private replayNode(node: number): void {
    const { time, winner, rank } = this;
    const left = winner[2 * node];
    const right = winner[2 * node + 1];
    const tl = time[left];
    const tr = time[right];
    winner[node] = tr < tl || (tr === tl && rank[right] < rank[left]) ? right : left;
  }
}
