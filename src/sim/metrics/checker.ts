/**
 * What must hold after every event, whatever the policy and the load. A violation is a bug of ours and throws; the
 * message says when, which rule, and whose state breaks it.
 */
import {
  HELD_LOCKS_MAX,
  HELD_NOT,
  LOCK_MUTEX,
  NEVER,
  NOBODY,
  TASK_CURRENT,
  TASK_READY,
  VCPU_HALTED,
  VCPU_OFFLINE,
  VCPU_RUNNABLE,
  VCPU_RUNNING,
} from "../tables.ts";
import type { World } from "../world.ts";

export class Checker {
  private readonly w: World;
  private last: number = 0;
  /** Per domain: since when some of its runnable vCPUs run and others wait. */
  private readonly partlySince: Float64Array;

  constructor(w: World) {
    this.w = w;
    this.partlySince = new Float64Array(w.domains.count).fill(NEVER);
  }

  check(): void {
    const { w } = this;
    this.rule(
      this.last <= w.now && Number.isSafeInteger(w.now),
      "time is a whole number and never goes back",
      w.now,
    );
    this.last = w.now;
    for (let p = 0; p < w.pcpus.count; p++) this.checkPcpu(p);
    for (let v = 0; v < w.vcpus.count; v++) this.checkVcpu(v);
    for (let h = 0; h < w.tasks.count; h++) this.checkTask(h);
    for (let l = 0; l < w.locks.count; l++) this.checkLock(l);
    if (w.policy.workConserving === true) this.checkWorkConserving();
    if (w.policy.gangSkewMax !== undefined) this.checkGangs(w.policy.gangSkewMax);
  }

  private checkPcpu(p: number): void {
    const { pcpus, vcpus } = this.w;
    const v = pcpus.current[p];
    if (v === NOBODY) return;
    this.rule(
      vcpus.state[v] === VCPU_RUNNING && vcpus.pcpu[v] === p,
      "a pCPU runs a vCPU that runs there",
      p,
    );
    this.rule(vcpus.allowed[v * pcpus.count + p] === 1, "a vCPU runs only where its pins allow", v);
  }

  private checkVcpu(v: number): void {
    const { vcpus, pcpus, tasks } = this.w;
    const state = vcpus.state[v];
    if (state === VCPU_RUNNING)
      this.rule(pcpus.current[vcpus.pcpu[v]] === v, "a running vCPU is on its pCPU", v);
    else this.rule(vcpus.pcpu[v] === NOBODY, "a vCPU that does not run is on no pCPU", v);
    if (state === VCPU_HALTED) {
      this.rule(vcpus.irqs[v] === 0, "no interrupt is lost on a halted vCPU", v);
      this.rule(
        vcpus.queueLength[v] === 0 || vcpus.current[v] !== NOBODY,
        "no task waits on a halted vCPU",
        v,
      );
    }
    if (state === VCPU_OFFLINE && this.w.now > 0) {
      this.rule(vcpus.current[v] === NOBODY && vcpus.queueLength[v] === 0, "an offline vCPU has no task", v);
    }
    this.rule(vcpus.overhead[v] >= 0, "overhead is never negative", v);
    const base = vcpus.queueBase[v];
    for (let i = 0; i < vcpus.queueLength[v]; i++) {
      const h = vcpus.queue[base + i];
      this.rule(
        tasks.vcpu[h] === v && tasks.state[h] === TASK_READY,
        "a queued task is ready and at home",
        h,
      );
    }
  }

  private checkTask(h: number): void {
    const { tasks, vcpus } = this.w;
    if (tasks.state[h] === TASK_CURRENT)
      this.rule(vcpus.current[tasks.vcpu[h]] === h, "a current task is current on its vCPU", h);
    if (tasks.state[h] === TASK_READY) {
      const v = tasks.vcpu[h];
      const base = vcpus.queueBase[v];
      let found = 0;
      for (let i = 0; i < vcpus.queueLength[v]; i++) if (vcpus.queue[base + i] === h) found++;
      this.rule(found === 1, "a ready task is in one queue, once", h);
    }
    this.rule(
      tasks.preemptDepth[h] >= tasks.heldCount[h],
      "who holds a spinlock is not preempted by the guest",
      h,
    );
  }

  private checkLock(l: number): void {
    const { locks, tasks } = this.w;
    if (locks.kind[l] >= LOCK_MUTEX) {
      this.rule(locks.holder[l] === NOBODY || locks.readers[l] === 0, "no writer beside readers", l);
      return;
    }
    let holders = 0;
    for (let h = 0; h < tasks.count; h++) {
      for (let i = 0; i < tasks.heldCount[h]; i++) {
        if (tasks.held[h * HELD_LOCKS_MAX + i] !== l) continue;
        holders++;
        this.rule(locks.holder[l] === h, "who holds a lock is its holder", l);
      }
    }
    this.rule(holders === (locks.holder[l] === NOBODY ? 0 : 1), "a lock has no two holders", l);
  }

  private checkWorkConserving(): void {
    const { pcpus, vcpus } = this.w;
    for (let p = 0; p < pcpus.count; p++) {
      if (pcpus.current[p] !== NOBODY) continue;
      for (let v = 0; v < vcpus.count; v++) {
        if (vcpus.state[v] !== VCPU_RUNNABLE || vcpus.held[v] !== HELD_NOT) continue;
        this.rule(
          vcpus.allowed[v * pcpus.count + p] === 0,
          `pCPU ${p} does not idle while a vCPU that may run there waits`,
          v,
        );
      }
    }
  }

  /** Not of pinned domains: pins may forbid that a gang runs whole, and then it has to start in part. */
  private checkGangs(skewMax: number): void {
    const { domains, vcpus, pcpus, now } = this.w;
    for (let d = 0; d < domains.count; d++) {
      let running = 0;
      let waiting = 0;
      let pinned = false;
      for (let v = domains.firstVcpu[d]; v < domains.firstVcpu[d] + domains.vcpuCount[d]; v++) {
        for (let p = 0; p < pcpus.count; p++) if (vcpus.allowed[v * pcpus.count + p] === 0) pinned = true;
        if (vcpus.state[v] === VCPU_RUNNING) running++;
        else if (vcpus.state[v] === VCPU_RUNNABLE) waiting++;
      }
      if (pinned || running === 0 || waiting === 0) this.partlySince[d] = NEVER;
      else if (this.partlySince[d] === NEVER) this.partlySince[d] = now;
      this.rule(
        now - this.partlySince[d] <= skewMax,
        "a gang runs whole, but for the skew that it may have",
        d,
      );
    }
  }

  private rule(holds: boolean, rule: string, subject: number): void {
    if (!holds)
      throw new Error(
        `Invariant broken at ${this.w.now} ns, event ${this.w.events}: ${rule} (number ${subject})`,
      );
  }
}
