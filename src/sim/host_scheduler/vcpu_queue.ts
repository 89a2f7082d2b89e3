/** A queue of vCPUs: a doubly linked list in two columns, so that removal from the middle costs nothing. */
export class VcpuQueue {
  first: number = -1;
  last: number = -1;
  length: number = 0;
  private readonly after: Int32Array;
  private readonly before: Int32Array;
  private readonly present: Uint8Array;

  constructor(vcpus: number) {
    this.after = new Int32Array(vcpus).fill(-1);
    this.before = new Int32Array(vcpus).fill(-1);
    this.present = new Uint8Array(vcpus);
  }

  has(vcpu: number): boolean {
    return this.present[vcpu] === 1;
  }

  next(vcpu: number): number {
    return this.after[vcpu];
  }

  pushBack(vcpu: number): void {
    this.insertBefore(vcpu, -1);
  }

  /** `successor` -1: at the end. */
  insertBefore(vcpu: number, successor: number): void {
    if (this.present[vcpu] === 1) throw new Error(`vCPU ${vcpu} is queued twice; remove it first`);
    const predecessor = successor < 0 ? this.last : this.before[successor];
    this.after[vcpu] = successor;
    this.before[vcpu] = predecessor;
    if (predecessor < 0) this.first = vcpu;
    else this.after[predecessor] = vcpu;
    if (successor < 0) this.last = vcpu;
    else this.before[successor] = vcpu;
    this.present[vcpu] = 1;
    this.length++;
  }

  /** Does nothing when it is not here. */
  remove(vcpu: number): void {
    if (this.present[vcpu] === 0) return;
    const predecessor = this.before[vcpu];
    const successor = this.after[vcpu];
    if (predecessor < 0) this.first = successor;
    else this.after[predecessor] = successor;
    if (successor < 0) this.last = predecessor;
    else this.before[successor] = predecessor;
    this.present[vcpu] = 0;
    this.length--;
  }
}
