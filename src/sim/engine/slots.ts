/**
 * Slots: each pCPU has at most one event armed, the earliest of what can happen to it next (SLOT_*). Preemption
 * overwrites the slot, so nothing is ever cancelled. At equal times the lower pCPU goes first, or, with a tie salt, the
 * one with the lower salted rank.
 *
 * Up to SCAN_MAX pCPUs the earliest is found by scanning, which a processor does faster than it can follow a heap; above
 * that by a winner tree over pCPUs. Which of two times is less is a coin toss to a processor, and a wrong guess costs as
 * much as the rest of the scan. So neither compares times: they subtract 32-bit integers, the times since an epoch, and
 * select by the sign. What is due too far from the epoch for that is FAR; when nothing is due before that, the epoch moves.
 */
import { tieRank } from "./tie_rank.ts";

/** What a pCPU's slot is armed with. At equal times on one pCPU the lower is armed. */
export const SLOT_WORK = 0;
export const SLOT_GUEST = 1;
export const SLOT_HOST = 2;

/** Measured: scan and tree cross at about 32 slots. */
const SCAN_MAX = 32;

/** About a second. The difference of two dues between -FAR and FAR is a 32-bit integer. */
const FAR = 2 ** 30 - 1;

export class Slots {
  readonly time: Float64Array;
  readonly kind: Uint8Array;
  /** The times as integers: nanoseconds since the epoch, or FAR. */
  private readonly due: Int32Array;
  private epoch: number = 0;
  private readonly count: number;
  private readonly half: number;
  private readonly isTree: boolean;
  private readonly isSalted: boolean;
  private readonly rank: Int32Array;
  private readonly leaves: number;
  private readonly winner: Int32Array;
  /** Nothing at all is armed, so that the epoch need not be looked for. */
  private isEmpty: boolean = true;

  constructor(count: number, salt: number) {
    this.count = count;
    this.half = (count + 1) >> 1;
    this.isSalted = salt !== 0;
    this.isTree = count > SCAN_MAX || this.isSalted;
    let leaves = 2;
    while (leaves < count) leaves *= 2;
    this.leaves = leaves;
    this.time = new Float64Array(leaves).fill(Number.POSITIVE_INFINITY);
    this.kind = new Uint8Array(leaves);
    this.due = new Int32Array(leaves).fill(FAR);
    this.rank = Int32Array.from({ length: leaves }, (_, slot) => tieRank(0, slot, salt));
    this.winner = new Int32Array(2 * leaves);
    for (let i = 0; i < leaves; i++) this.winner[leaves + i] = i;
    this.replayAll();
  }

  arm(slot: number, at: number, kind: number): void {
    this.time[slot] = at;
    this.kind[slot] = kind;
    const due = at - this.epoch;
    if (-FAR < due && due < FAR) this.due[slot] = due;
    else this.armFar(slot, at);
    if (this.isTree) this.replay(slot);
  }

  /** The slot that is due first; its time is Infinity when none is armed. */
  first(): number {
    if (this.isTree) {
      const best = this.winner[1];
      return this.due[best] < FAR ? best : this.firstFar();
    }
    // Two halves side by side, since each is a chain in which every step waits for the one before.
    const { due, half } = this;
    let best = 0;
    let least = due[0];
    let best2 = half;
    let least2 = due[half];
    for (let slot = 1; slot < half; slot++) {
      const slot2 = slot + half;
      const less = (due[slot] - least) | 0;
      const less2 = (due[slot2] - least2) | 0;
      // All ones if this one is earlier, else zero.
      const mask = less >> 31;
      const mask2 = less2 >> 31;
      least = (least + (less & mask)) | 0;
      least2 = (least2 + (less2 & mask2)) | 0;
      best ^= (best ^ slot) & mask;
      best2 ^= (best2 ^ slot2) & mask2;
    }
    const less = (least2 - least) | 0;
    const mask = less >> 31;
    least = (least + (less & mask)) | 0;
    best ^= (best ^ best2) & mask;
    return least < FAR ? best : this.firstFar();
  }

  rankOf(slot: number): number {
    return this.rank[slot];
  }

  private armFar(slot: number, at: number): void {
    this.due[slot] = FAR;
    if (at === Number.POSITIVE_INFINITY) return;
    this.isEmpty = false;
    if (at < this.epoch) this.moveEpoch();
  }

  private firstFar(): number {
    if (this.isEmpty) return 0;
    this.moveEpoch();
    return this.isEmpty ? 0 : this.first();
  }

  /** To the earliest of all times, so that this one at least is not far. */
  private moveEpoch(): void {
    const { time, due, count } = this;
    let earliest = Number.POSITIVE_INFINITY;
    for (let slot = 0; slot < count; slot++) if (time[slot] < earliest) earliest = time[slot];
    this.isEmpty = earliest === Number.POSITIVE_INFINITY;
    if (this.isEmpty) return;
    this.epoch = earliest;
    for (let slot = 0; slot < count; slot++) due[slot] = Math.min(time[slot] - earliest, FAR);
    if (this.isTree) this.replayAll();
  }

  private replayAll(): void {
    for (let node = this.leaves - 1; node >= 1; node--) this.replayNode(node);
  }

  private replay(slot: number): void {
    for (let node = (this.leaves + slot) >> 1; node >= 1; node >>= 1) this.replayNode(node);
  }

  private replayNode(node: number): void {
    const { due, winner, rank } = this;
    const left = winner[2 * node];
    const right = winner[2 * node + 1];
    let less = (due[right] - due[left]) | 0;
    if (this.isSalted && less === 0) less = (rank[right] < rank[left] ? -1 : 0) | 0;
    winner[node] = left ^ ((left ^ right) & (less >> 31));
  }
}
