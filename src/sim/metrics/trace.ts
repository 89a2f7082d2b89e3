/** A recording of changes, in columns, filled in the loop and read after the run. Full means that the rest is lost, and counted. */
export const TRACE_TASK = 0;
export const TRACE_VCPU = 1;
export const TRACE_LOCK = 2;
export const TRACE_IPI = 3;

export class Trace {
  readonly time: Float64Array;
  /** TRACE_TASK: entity is the task, a the cause that begins, b its vCPU. TRACE_VCPU: a the state that begins, b its
   * pCPU or -1. TRACE_LOCK: entity is the lock, a the new holder, b the old one. TRACE_IPI: entity is the target vCPU,
   * a the sender, b the IRQ_* bit. */
  readonly what: Uint8Array;
  readonly entity: Int32Array;
  readonly a: Int32Array;
  readonly b: Int32Array;
  length: number = 0;
  lost: number = 0;

  constructor(capacity: number) {
    this.time = new Float64Array(capacity);
    this.what = new Uint8Array(capacity);
    this.entity = new Int32Array(capacity);
    this.a = new Int32Array(capacity);
    this.b = new Int32Array(capacity);
  }

  record(time: number, what: number, entity: number, a: number, b: number): void {
    const i = this.length;
    if (i === this.time.length) {
      this.lost++;
      return;
    }
    this.time[i] = time;
    this.what[i] = what;
    this.entity[i] = entity;
    this.a[i] = a;
    this.b[i] = b;
    this.length = i + 1;
  }
}
