/** Queues, and the devices that fill them from outside; in columns, as everything in tables.ts. */
import { floats, ints } from "./tables.ts";

export class Queues {
  readonly count: number;
  readonly capacity: Int32Array;
  readonly items: Int32Array;
  /** Items in the queue, and those at a device that the guest has not taken yet; and the integral of that. */
  readonly pending: Int32Array;
  readonly pendingTime: Float64Array;
  readonly countedAt: Float64Array;

  constructor(capacity: readonly number[]) {
    const n = capacity.length;
    this.count = n;
    this.capacity = Int32Array.from(capacity);
    this.items = ints(n);
    this.pending = ints(n);
    this.pendingTime = floats(n);
    this.countedAt = floats(n);
  }
}

export class Sources {
  readonly count: number;
  readonly queue: Int32Array;
  readonly vcpu: Int32Array;
  readonly duration: Int32Array;
  readonly key: Int32Array;
  readonly draws: Int32Array;
  /** Arrived at the device, not yet taken by the guest's interrupt handler. */
  readonly waiting: Int32Array;
  readonly arrived: Float64Array;
  readonly dropped: Float64Array;

  constructor(count: number) {
    this.count = count;
    this.queue = ints(count);
    this.vcpu = ints(count);
    this.duration = ints(count);
    this.key = ints(count);
    this.draws = ints(count);
    this.waiting = ints(count);
    this.arrived = floats(count);
    this.dropped = floats(count);
  }
}
