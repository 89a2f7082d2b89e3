/**
 * Timers: every event source that is not a pCPU has one timer with a fixed number, armed at most once. Timers are
 * numbered kind by kind, so the number is the rank of (kind, entity) and the total order of events at equal times.
 *
 * An indexed binary heap: arming, re-arming and disarming move one entry in place. Nothing is allocated, nothing is
 * left behind as a tombstone.
 */
import { tieRank } from "./tie_rank.ts";

export class Timers {
  /** When each timer is due, by timer number; Infinity when it is not armed. */
  readonly time: Float64Array;
  readonly kind: Uint8Array;
  readonly entity: Int32Array;
  /** The first timer number of each kind. */
  readonly base: Int32Array;
  private readonly rank: Int32Array;
  private readonly heap: Int32Array;
  private readonly place: Int32Array;
  private size: number = 0;

  /** `counts[i]` timers of kind `firstKind + i`. `salt` permutes the order of equal times; 0 keeps (kind, entity). */
  constructor(counts: readonly number[], firstKind: number, salt: number) {
    const total = counts.reduce((sum, count) => sum + count, 0);
    this.time = new Float64Array(total).fill(Number.POSITIVE_INFINITY);
    this.kind = new Uint8Array(total);
    this.entity = new Int32Array(total);
    this.base = new Int32Array(firstKind + counts.length);
    this.rank = new Int32Array(total);
    this.heap = new Int32Array(total);
    this.place = new Int32Array(total).fill(-1);
    let id = 0;
    for (let k = 0; k < counts.length; k++) {
      this.base[firstKind + k] = id;
      for (let entity = 0; entity < counts[k]; entity++, id++) {
        this.kind[id] = firstKind + k;
        this.entity[id] = entity;
        this.rank[id] = tieRank(firstKind + k, entity, salt);
      }
    }
  }

  /** The timer that is due first, or -1. */
  first(): number {
    return this.size === 0 ? -1 : this.heap[0];
  }

  firstTime(): number {
    return this.size === 0 ? Number.POSITIVE_INFINITY : this.time[this.heap[0]];
  }

  rankOf(id: number): number {
    return this.rank[id];
  }

  /** Arms or re-arms; `at` must not lie in the past. */
  arm(kind: number, entity: number, at: number): void {
    const id = this.base[kind] + entity;
    let place = this.place[id];
    if (place < 0) {
      if (at === Number.POSITIVE_INFINITY) return;
      place = this.size++;
      this.heap[place] = id;
      this.place[id] = place;
    } else if (at === Number.POSITIVE_INFINITY) {
      this.remove(id);
      return;
    }
    this.time[id] = at;
    this.up(place);
    this.down(this.place[id]);
  }

  isArmed(kind: number, entity: number): boolean {
    return this.place[this.base[kind] + entity] >= 0;
  }

  disarm(kind: number, entity: number): void {
    const id = this.base[kind] + entity;
    if (this.place[id] >= 0) this.remove(id);
  }

  remove(id: number): void {
    const place = this.place[id];
    this.place[id] = -1;
    this.time[id] = Number.POSITIVE_INFINITY;
    const last = this.heap[--this.size];
    if (last === id) return;
    this.heap[place] = last;
    this.place[last] = place;
    this.up(place);
    this.down(this.place[last]);
  }

  private before(a: number, b: number): boolean {
    const ta = this.time[a];
    const tb = this.time[b];
    return ta < tb || (ta === tb && this.rank[a] < this.rank[b]);
  }

  private up(from: number): void {
    let place = from;
    const id = this.heap[place];
    while (place > 0) {
      const parent = (place - 1) >> 1;
      const above = this.heap[parent];
      if (!this.before(id, above)) break;
      this.heap[place] = above;
      this.place[above] = place;
      place = parent;
    }
    this.heap[place] = id;
    this.place[id] = place;
  }

  private down(from: number): void {
    let place = from;
    const id = this.heap[place];
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.size) break;
      if (child + 1 < this.size && this.before(this.heap[child + 1], this.heap[child])) child++;
      const below = this.heap[child];
      if (!this.before(below, id)) break;
      this.heap[place] = below;
      this.place[below] = place;
      place = child;
    }
    this.heap[place] = id;
    this.place[id] = place;
  }
}
