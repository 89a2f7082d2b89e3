/**
 * `vbal whatif` where the truth is known: the simulator plays a host (study/whatif/known_host.ts), and the prediction is made from
 * what a daemon would have recorded of it, with and without dispatches. It says how well the fit works, not whether the simulator
 * is right about a real host: bench_whatif.ts asks that.
 */
import { drawKnownHost, playKnownHost } from "../../study/whatif/known_host.ts";
import type { DomainModel, Model } from "../../study/whatif/model.ts";
import { type Predicted, whatIf } from "../../study/whatif/whatif.ts";
import { median } from "./repeated_runs.ts";

/** Of the first domain. */
export interface KnownWorld {
  readonly name: string;
  readonly truth: number;
  readonly dispatchesPerVcpu: number;
  readonly withDispatches: KnownAnswer;
  readonly without: KnownAnswer;
}

export interface KnownAnswer {
  readonly predicted: Predicted;
  readonly close: number;
  readonly covered: boolean;
}

export interface KnownWorldsResult {
  readonly worlds: readonly KnownWorld[];
  readonly medianAbsoluteError: { readonly withDispatches: number; readonly without: number };
  readonly coveredWorlds: { readonly withDispatches: number; readonly without: number };
}

/** Both of the truth and of each model: hundreds of the host's slices say enough of a share. */
const SIMULATED_NS = 250_000_000;

export function benchKnownWorlds(onProgress: (line: string) => void): KnownWorldsResult {
  const worlds = [...CHOSEN, ...DRAWN].map(({ name, model }): KnownWorld => {
    const world = knownWorld(name, model);
    onProgress(
      `${name}: truth ${world.truth.toFixed(2)}, predicted ${world.withDispatches.predicted.value.toFixed(2)}`,
    );
    return world;
  });
  const both = <Value>(of: (answer: "withDispatches" | "without") => Value) => ({
    withDispatches: of("withDispatches"),
    without: of("without"),
  });
  return {
    worlds,
    medianAbsoluteError: both((which) =>
      median(worlds.map((world) => Math.abs(world[which].predicted.value / world.truth - 1))),
    ),
    coveredWorlds: both((which) => worlds.filter((world) => world[which].covered).length),
  };
}

function knownWorld(name: string, model: Model): KnownWorld {
  const answered = (dispatches: boolean) => {
    // Switches are left out: a guest that is kept off its pCPUs hardly tells them.
    const sees = { switches: false, dispatches };
    const { recording, gains, shown } = playKnownHost(model, { sees, simulatedNs: SIMULATED_NS });
    const { policies, models } = whatIf(recording, { simulatedNs: SIMULATED_NS });
    const predicted = policies.find(({ policy }) => policy === "vbal strict")!.domains[0]!.throughput;
    const [low, high] = predicted.ci95;
    const truth = gains[0]!;
    const covered = low <= truth && truth <= high;
    return { truth, shown, answer: { predicted, close: models.close, covered } };
  };
  const { truth, shown, answer } = answered(true);
  return {
    name,
    truth,
    dispatchesPerVcpu: shown[0]!.dispatches,
    withDispatches: answer,
    without: answered(false).answer,
  };
}

interface Named {
  readonly name: string;
  readonly model: Model;
}

const CHOSEN: readonly Named[] = [
  alike("compute, 1 ms", { meeting: "compute", workNs: 1_000_000 }),
  alike("futex-barrier, 200 us", { meeting: "futex-barrier", workNs: 200_000 }),
  alike("futex-barrier, 20 us, costs x 10", { meeting: "futex-barrier", workNs: 20_000 }, 10),
  alike("futex-barrier, 5 us, costs x 10", { meeting: "futex-barrier", workNs: 5_000 }, 10),
  alike("spin-barrier, 2 ms", { meeting: "spin-barrier", workNs: 2_000_000 }),
  alike("mm, 100 us", { meeting: "mm", workNs: 100_000 }),
  alike("mm, 20 us, costs x 10", { meeting: "mm", workNs: 20_000 }, 10),
];

/** Any five, none left out. */
const DRAWN: readonly Named[] = [11, 12, 13, 14, 15].map((n) => {
  const model = drawKnownHost(n);
  const { meeting, workNs } = model.domains[0]!;
  return { name: `drawn: ${meeting}, ${Math.round(workNs / 1_000)} us`, model };
});

/** Two guests that do the same, on a host that does nothing else. */
function alike(name: string, own: Pick<DomainModel, "meeting" | "workNs">, meetingFactor = 5): Named {
  const domain: DomainModel = { threads: 2, intensity: 0.1, burst: null, ...own };
  return {
    name,
    model: { host: { groups: false, meetingFactor, otherThreads: 0 }, domains: [domain, domain] },
  };
}
