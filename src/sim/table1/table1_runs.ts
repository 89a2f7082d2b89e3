/**
 * Runs of a small world, measured after a warm-up, so that nobody is judged by how it begins: domains that were just
 * started everywhere, a controller that has not looked yet.
 */
import type { DomainConfig, SimulationConfig } from "../config.ts";
import { createController } from "../controller/controllers.ts";
import type { Controller } from "../host/control.ts";
import { CAUSE_COUNT, CAUSES, type Cause } from "../metrics/causes.ts";
import { resultOf } from "../metrics/result.ts";
import { runWorld } from "../run.ts";
import { HELD_NOT, NOBODY, VCPU_RUNNABLE, VCPU_RUNNING, VCPU_STATES } from "../tables.ts";
import { createWorld, type World } from "../world.ts";
import type { Table1Column } from "./table1_columns.ts";

export const TABLE1_PCPUS = 4;
const SEED = 31;
const MS = 1_000_000;
const WARM_UP = 500 * MS;
const MEASURED = 1_000 * MS;
const SAMPLE_EVERY = 500_000;
/** Apart from the controllers' own, which are numbered from 0. */
const PROBE_TIMER = 63;

/** Of the first domain, after the warm-up. Times are nanoseconds. */
export interface Measured {
  readonly marks: number;
  readonly causes: Readonly<Record<Cause, number>>;
  /** pCPU time that idled while a runnable vCPU waited, of all pCPU time. */
  readonly idleWhileWaiting: number;
  /** Samples of all domains' vCPUs that run or want to, and of those that wait for a pCPU on which a sibling runs. */
  readonly wanting: number;
  readonly stacked: number;
  /** Of the first domain: time on a pCPU and time waiting for one. */
  readonly waited: number;
}

export function measure(
  column: Table1Column,
  domains: readonly DomainConfig[],
  replication: number,
): Measured {
  const config: SimulationConfig = {
    seed: SEED,
    replication,
    until: { at: WARM_UP + MEASURED },
    machine: { topology: { pcpus: TABLE1_PCPUS } },
    host: { pauseLoopExits: true, ...column.more, scheduler: column.host },
    domains,
  };
  const world = createWorld(config);
  const probe = new Probe(world);
  runWorld(world, { controller: watched(createController(column.controllers ?? []), probe) });
  const result = resultOf(world);
  const end = probe.totals();
  const { start } = probe;
  return {
    marks: end.marks - start.marks,
    causes: Object.fromEntries(CAUSES.map((cause, c) => [cause, end.causes[c] - start.causes[c]])) as Record<
      Cause,
      number
    >,
    idleWhileWaiting: (result.counts.idleWhileWaiting - start.idleWhileWaiting) / (TABLE1_PCPUS * MEASURED),
    wanting: probe.wanting,
    stacked: probe.stacked,
    waited: end.waited - start.waited,
  };
}

interface Totals {
  readonly marks: number;
  readonly causes: readonly number[];
  readonly idleWhileWaiting: number;
  readonly waited: number;
}

/** Looks at the world every half millisecond after the warm-up; changes nothing. */
class Probe {
  start: Totals = { marks: 0, causes: CAUSES.map(() => 0), idleWhileWaiting: 0, waited: 0 };
  wanting = 0;
  stacked = 0;
  readonly #w: World;
  /** Per waiting vCPU and pCPU: samples since it waits in which one of its siblings ran there. */
  readonly #behind: Int32Array;

  constructor(w: World) {
    this.#w = w;
    this.#behind = new Int32Array(w.vcpus.count * w.pcpus.count);
  }

  /** Which queue a vCPU stands in is the policy's secret; it shows when the vCPU gets a pCPU. */
  sample(): void {
    const { vcpus, pcpus } = this.#w;
    for (let v = 0; v < vcpus.count; v++) {
      const row = v * pcpus.count;
      if (vcpus.state[v] === VCPU_RUNNING) {
        this.wanting++;
        this.stacked += this.#behind[row + vcpus.pcpu[v]];
      } else if (vcpus.state[v] === VCPU_RUNNABLE && vcpus.held[v] === HELD_NOT) {
        this.wanting++;
        for (let p = 0; p < pcpus.count; p++) {
          const runs = pcpus.current[p];
          if (runs !== NOBODY && vcpus.domain[runs] === vcpus.domain[v]) this.#behind[row + p]++;
        }
        continue;
      }
      this.#behind.fill(0, row, row + pcpus.count);
    }
  }

  totals(): Totals {
    const { domains, tasks, vcpus, idleWhileWaiting } = this.#w;
    const own = Array.from({ length: domains.taskCount[0] }, (_, i) => domains.firstTask[0] + i);
    const sum = (of: (task: number) => number): number => own.reduce((total, task) => total + of(task), 0);
    let waited = 0;
    for (let i = 0; i < domains.vcpuCount[0]; i++) {
      const v = domains.firstVcpu[0] + i;
      waited += vcpus.times[v * VCPU_STATES + VCPU_RUNNABLE];
    }
    return {
      marks: sum((task) => tasks.marks[task]),
      causes: CAUSES.map((_, c) => sum((task) => tasks.times[task * CAUSE_COUNT + c])),
      idleWhileWaiting,
      waited,
    };
  }
}

function watched(controller: Controller | undefined, probe: Probe): Controller {
  return {
    start(control) {
      controller?.start(control);
      control.arm(PROBE_TIMER, WARM_UP);
    },
    onTimer(control, timer) {
      if (timer !== PROBE_TIMER) {
        controller?.onTimer(control, timer);
        return;
      }
      if (control.now() === WARM_UP) probe.start = probe.totals();
      probe.sample();
      control.arm(PROBE_TIMER, control.now() + SAMPLE_EVERY);
    },
    onBallooned: (control, d, index) => controller?.onBallooned?.(control, d, index),
  };
}
