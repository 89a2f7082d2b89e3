/** How long one plan takes, for hosts and numbers of domains of every size that matters. */
import { makePlan } from "../../core/make_plan.ts";
import { carriedOut, type HostShape } from "../../core/sample_host.ts";
import { seeded } from "../seeded.ts";
import { type Interval, percentile, percentileInterval } from "../statistics.ts";
import { churned, randomWorld, type World } from "./random_worlds.ts";

/** One row for each pair of sizes. Yields to the event loop between rows. */
export async function measureSpeed(options: SpeedOptions): Promise<SpeedRow[]> {
  const rows: SpeedRow[] = [];
  for (const pcpus of options.pcpus) {
    for (const domains of options.domains) {
      rows.push(measureRow({ ...options, pcpuCount: pcpus, domainCount: domains }));
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }
  return rows;
}

export interface SpeedOptions {
  readonly seed: number;
  readonly pcpus: readonly number[];
  readonly domains: readonly number[];
  /** Plans per row that are measured, after as many as `warmUp` that are not. */
  readonly rounds: number;
  readonly warmUp: number;
}

export interface SpeedRow {
  readonly pcpus: number;
  readonly domains: number;
  readonly medianMs: number;
  readonly medianCi95: Interval;
  readonly p99Ms: number;
  readonly p99Ci95: Interval;
  /** Raw, in the order in which they were taken. */
  readonly samplesMs: readonly number[];
}

/** Each world is a host on which an earlier plan was carried out and then one domain left and another came. */
const WORLDS_PER_ROW = 4;
const VCPUS_MAX = 16;

function measureRow(options: SpeedOptions & RowSizes): SpeedRow {
  const { seed, pcpuCount, domainCount, rounds, warmUp } = options;
  const worlds = worldsOf({ seed, pcpuCount, domainCount });
  const samplesMs: number[] = [];
  for (let round = 0; round < warmUp + rounds; round++) {
    const { policy, snapshot } = worlds[round % worlds.length]!;
    const start = performance.now();
    makePlan(policy, snapshot);
    const took = performance.now() - start;
    if (warmUp <= round) samplesMs.push(took);
  }
  return {
    pcpus: pcpuCount,
    domains: domainCount,
    medianMs: percentile(samplesMs, 0.5),
    medianCi95: percentileInterval(samplesMs, 0.5),
    p99Ms: percentile(samplesMs, 0.99),
    p99Ci95: percentileInterval(samplesMs, 0.99),
    samplesMs,
  };
}

interface RowSizes {
  readonly pcpuCount: number;
  readonly domainCount: number;
}

function worldsOf({ seed, pcpuCount, domainCount }: RowSizes & { readonly seed: number }): World[] {
  const draw = seeded(seed);
  let world = randomWorld(draw, { domains: domainCount, shape: shapeOf(pcpuCount), vcpusMax: VCPUS_MAX });
  const worlds: World[] = [];
  for (let serial = domainCount; worlds.length < WORLDS_PER_ROW; serial++) {
    const settled = {
      ...world,
      snapshot: carriedOut(world.snapshot, makePlan(world.policy, world.snapshot)),
    };
    world = churned(draw, settled, { serial, vcpusMax: VCPUS_MAX });
    worlds.push(world);
  }
  return worlds;
}

/** Two threads per core, eight pCPUs per LLC, and nodes of 64 pCPUs at most. */
function shapeOf(pcpus: number): HostShape {
  return { pcpus, perCore: 2, perLlc: 8, perNode: Math.min(64, Math.max(8, pcpus / 2)) };
}
