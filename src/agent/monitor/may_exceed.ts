/**
 * Whether some threshold could be exceeded, from the run queues' counters alone, which are read from one file: the
 * expensive sources are looked at only then. It never says no where a full measurement could say yes, for a load that
 * fills at least a third of the time between the two looks.
 *
 * From what is known, every quantity of a vCPU has an upper bound: nothing more is runnable than what waited and one
 * thread that runs, a vCPU goes idle no more often than it comes back, and no process or application is runnable
 * without a thread. All aggregations and combinations grow with their parts, so the measures of these bounds are the
 * bounds of the measures, and the detector itself says whether they exceed.
 */
import { combineAll } from "./combination.ts";
import { DETECTOR_START, type DetectionSettings, detect } from "./detect.ts";
import type { Quantity } from "./measure.ts";
import { measureAll } from "./measured.ts";
import { known, type Reading, type VcpuLoad } from "./vcpu_load.ts";
import type { Watched } from "./watched.ts";

export function mayExceed(
  queues: readonly QueueGrowth[],
  watched: Watched,
  settings: DetectionSettings,
): boolean {
  const waiting = queues.reduce((sum, queue) => sum + queue.waiting, 0) * BEGAN_LATE;
  if (settings.waitingMin !== null && waiting < settings.waitingMin) return false;
  const vcpus = queues.map(boundsOf);
  const plain = measureAll(vcpus, watched.measures);
  const combined = combineAll(vcpus, plain, {
    combinations: watched.combinations,
    thresholdOf: (id) => settings.thresholds.get(id)?.value ?? null,
  });
  const sample = { atMs: 0, intervalMs: 0, vcpus, measured: [...plain, ...combined] };
  return 0 < detect(DETECTOR_START, sample, settings).detector.exceeding.size;
}

/** With fewer threads waiting between two looks, on average over all vCPUs together, nothing can be exceeded. */
export function leastWaiting(waitingMin: number): number {
  return waitingMin / BEGAN_LATE;
}

/** Of one vCPU between two looks. */
export interface QueueGrowth {
  readonly vcpu: number;
  readonly node: number;
  /** Threads, on average. */
  readonly waiting: number;
  /** Switches to threads per second. */
  readonly arrivals: number;
}

/** The load may have begun shortly before the second look: what is new is taken as that of the last third. */
const BEGAN_LATE = 3;

function boundsOf(queue: QueueGrowth): VcpuLoad {
  const waiting = queue.waiting * BEGAN_LATE;
  const arrivals = queue.arrivals * BEGAN_LATE + 1;
  const most: Record<Quantity, number> = {
    cycles: Number.MAX_VALUE,
    switches: 2 * arrivals,
    "switches-same-process": arrivals,
    "switches-other-process": arrivals,
    "switch-share": 100,
    "switch-share-same-process": 100,
    "switch-share-other-process": 100,
    "runnable-threads": 1 + waiting,
    "runnable-processes": 1 + waiting,
    "runnable-applications": 1 + waiting,
  };
  const readings = Object.fromEntries(
    Object.entries(most).map(([quantity, value]) => [quantity, known(value, "upper bound")]),
  ) as Record<Quantity, Reading>;
  return { vcpu: queue.vcpu, node: queue.node, readings, waiting };
}
