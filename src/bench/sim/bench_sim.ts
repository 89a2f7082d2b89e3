/**
 * The benchmark of the simulator: the small model beside the same model in C++, on SimPy and on simjs, in turn, with equal
 * digests; and the full model from 12 to 512 pCPUs. Rates are events per second of processor time.
 */
import { tuneV8 } from "../../sim/tune_v8.ts";
import { benchFull, FULL_SCHEDULERS, type FullRow } from "./bench_full.ts";
import { benchSmall, REGIMES, type SmallRow } from "./bench_small.ts";
import { TWIN_SEEDS, TWIN_SHAPES, twinConfigs } from "./twin_configs.ts";
import { checkedRun, type Twin, type TwinName, withTwins } from "./twins.ts";

export interface BenchSimOptions {
  readonly rounds: number;
  /** Rounds before the first that counts, in which V8 compiles. */
  readonly warmUp: number;
  /** Events per measurement of the small model, and roughly of the full one. */
  readonly events: number;
  readonly pcpus: readonly number[];
  readonly onProgress: (line: string) => void;
}

export interface BenchSimResult {
  /** Events per second, medians, with 50 lock sections between barriers; null for an engine that is not installed. */
  readonly small: Readonly<Record<SmallRow["engine"], number | null>>;
  readonly smallRows: readonly SmallRow[];
  /** Which engines were left out, and what to do. */
  readonly missing: readonly string[];
  /** Small models of many shapes on which the C++ twin has our digest; null without a compiler. */
  readonly sameDigests: { readonly shapes: number; readonly seeds: number } | null;
  readonly full: readonly FullRow[];
}

const DEFAULTS: BenchSimOptions = {
  rounds: 7,
  warmUp: 4,
  events: 2_000_000,
  pcpus: [12, 32, 64, 128, 256, 512],
  onProgress: () => {},
};

const DIGEST_EVENTS = 200_000;

/** Throws when a digest differs. */
export function benchSim(options: Partial<BenchSimOptions> = {}): BenchSimResult {
  const settings = { ...DEFAULTS, ...options };
  const { onProgress } = settings;
  tuneV8();
  return withTwins((twins) => {
    const smallRows = REGIMES.flatMap((sections) => {
      onProgress(`The small model with ${sections} sections between barriers`);
      return benchSmall(settings, sections, twins);
    });
    // After the rates: models of many shapes would leave V8 with code for all of them.
    onProgress("Digests of the C++ twin");
    const sameDigests = compareDigests(twins);
    const rateOf = (engine: SmallRow["engine"]): number | null =>
      smallRows.find((row) => row.engine === engine && row.sections === REGIMES[0])?.eventsPerSecond ?? null;
    return {
      small: { vbal: rateOf("vbal"), cxx: rateOf("cxx"), simpy: rateOf("simpy"), simjs: rateOf("simjs") },
      smallRows,
      missing: twins.flatMap((twin) => ("missing" in twin ? [twin.missing] : [])),
      sameDigests,
      full: settings.pcpus.flatMap((pcpus) =>
        FULL_SCHEDULERS.map((scheduler) => {
          onProgress(`The full model, ${pcpus} pCPUs, ${scheduler}`);
          return benchFull(settings, pcpus, scheduler);
        }),
      ),
    };
  });
}

function compareDigests(twins: readonly Twin[]): BenchSimResult["sameDigests"] {
  const name: TwinName = "cxx";
  const twin = twins.find((each) => each.name === name);
  if (twin === undefined || !("run" in twin)) return null;
  for (const config of twinConfigs(DIGEST_EVENTS)) checkedRun(twin, config);
  return { shapes: TWIN_SHAPES, seeds: TWIN_SEEDS };
}
