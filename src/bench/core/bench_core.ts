/** The benchmark of the decision core: how fast it plans, how good its placements are, what each rounding costs. */
import { type EvennessRow, measureEvenness, measureQuality, type QualityRow } from "./quality.ts";
import { measureRounding, type RoundingRow } from "./rounding.ts";
import { measureSpeed, type SpeedRow } from "./speed.ts";

export async function benchCore(settings: BenchCoreOptions = CORE_BENCH_FULL): Promise<BenchCoreResult> {
  const { seed, qualityCases, roundingCases } = settings;
  return {
    settings,
    speed: await measureSpeed(settings),
    quality: measureQuality({ seed, cases: qualityCases }),
    evenness: measureEvenness({ seed, cases: qualityCases }),
    rounding: measureRounding({ seed, cases: roundingCases }),
  };
}

export interface BenchCoreOptions {
  readonly seed: number;
  readonly pcpus: readonly number[];
  readonly domains: readonly number[];
  /** Measured plans for each pair of sizes. */
  readonly rounds: number;
  readonly warmUp: number;
  readonly qualityCases: number;
  readonly roundingCases: number;
}

export interface BenchCoreResult {
  readonly settings: BenchCoreOptions;
  readonly speed: readonly SpeedRow[];
  readonly quality: readonly QualityRow[];
  readonly evenness: EvennessRow;
  readonly rounding: readonly RoundingRow[];
}

/** What the tables in docs/benchmarks.md were made with. */
export const CORE_BENCH_FULL: BenchCoreOptions = {
  seed: 1,
  pcpus: [8, 64, 512],
  domains: [10, 100, 1000],
  rounds: 400,
  warmUp: 100,
  qualityCases: 500,
  roundingCases: 2000,
};

/** Half a minute: to see whether a change made something worse. */
export const CORE_BENCH_QUICK: BenchCoreOptions = {
  ...CORE_BENCH_FULL,
  rounds: 100,
  warmUp: 20,
  qualityCases: 50,
  roundingCases: 200,
};
