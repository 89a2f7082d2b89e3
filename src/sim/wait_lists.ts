/** First-in first-out lists of waiting tasks; a task waits in one list at a time, so one link per task is enough. */
import { NOBODY } from "./tables.ts";

export class WaitLists {
  readonly head: Int32Array;
  readonly tail: Int32Array;
  readonly length: Int32Array;
  private readonly next: Int32Array;

  constructor(count: number, next: Int32Array) {
    this.head = new Int32Array(count).fill(NOBODY);
    this.tail = new Int32Array(count).fill(NOBODY);
    this.length = new Int32Array(count);
    this.next = next;
  }

  push(list: number, task: number): void {
    this.next[task] = NOBODY;
    if (this.head[list] === NOBODY) this.head[list] = task;
    else this.next[this.tail[list]] = task;
    this.tail[list] = task;
    this.length[list]++;
  }

  /** Takes the first, or -1. */
  shift(list: number): number {
    const task = this.head[list];
    if (task !== NOBODY) this.remove(list, task, NOBODY);
    return task;
  }

  /** Takes `task`, whose predecessor is `before` (-1 when it is the first). */
  remove(list: number, task: number, before: number): void {
    const after = this.next[task];
    if (before === NOBODY) this.head[list] = after;
    else this.next[before] = after;
    if (this.tail[list] === task) this.tail[list] = before;
    this.next[task] = NOBODY;
    this.length[list]--;
  }

  /** Takes `task` wherever it stands. */
  take(list: number, task: number): void {
    let before = NOBODY;
    let at = this.head[list];
    while (at !== task && at !== NOBODY) {
      before = at;
      at = this.next[at];
    }
    if (at === task) this.remove(list, task, before);
  }
}
