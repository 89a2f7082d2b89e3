/**
 * `vbal whatif` where the truth is known: the simulator plays a host (study/whatif/known_host.ts), and the prediction is made from
 * what a daemon would have recorded of it: run and waiting alone, with dispatches, and with interrupts too. It says how well the
 * fit works, not whether the simulator is right about a real host: bench_whatif.ts asks that.
 */
import {
  BUSY_DOMAIN,
  drawKnownHost,
  type KnownHostOptions,
  NOTHING_SEEN,
  playKnownHost,
  QUIET_HOST,
} from "../../study/whatif/known_host.ts";
import type { DomainModel, Model } from "../../study/whatif/model.ts";
import { type Predicted, whatIf } from "../../study/whatif/whatif.ts";
import { median } from "./repeated_runs.ts";

/** Of the first domain. */
export interface KnownWorld {
  readonly name: string;
  readonly truth: number;
  readonly dispatchesPerVcpu: number;
  readonly interruptsPerVcpu: number;
  readonly answers: ByRecord<KnownAnswer>;
}

/** What was recorded beside run and waiting. */
export const KNOWN_RECORDS = [
  "nothing",
  "dispatches",
  "dispatches and interrupts",
  "dispatches, interrupts, looks and places",
] as const;
export type KnownRecord = (typeof KNOWN_RECORDS)[number];
export type ByRecord<Value> = Readonly<Record<KnownRecord, Value>>;

export interface KnownAnswer {
  readonly predicted: Predicted;
  readonly close: number;
  readonly covered: boolean;
}

export interface KnownWorldsResult {
  readonly worlds: readonly KnownWorld[];
  readonly medianAbsoluteError: ByRecord<number>;
  readonly coveredWorlds: ByRecord<number>;
}

/** Both of the truth and of each model: hundreds of the host's slices say enough of a share. */
const SIMULATED_NS = 250_000_000;

export function benchKnownWorlds(onProgress: (line: string) => void): KnownWorldsResult {
  const worlds = [...CHOSEN, ...DRAWN].map(({ name, model }): KnownWorld => {
    const world = knownWorld(name, model);
    const { value } = world.answers["dispatches, interrupts, looks and places"].predicted;
    onProgress(`${name}: truth ${world.truth.toFixed(2)}, predicted ${value.toFixed(2)}`);
    return world;
  });
  return {
    worlds,
    medianAbsoluteError: byRecord((record) =>
      median(worlds.map(({ answers, truth }) => Math.abs(answers[record].predicted.value / truth - 1))),
    ),
    coveredWorlds: byRecord((record) => worlds.filter(({ answers }) => answers[record].covered).length),
  };
}

function knownWorld(name: string, model: Model): KnownWorld {
  const played = (record: KnownRecord) =>
    playKnownHost(model, { sees: SEEN[record], simulatedNs: SIMULATED_NS });
  const { gains, shown } = played("nothing");
  const truth = gains[0]!;
  const answers = byRecord((record): KnownAnswer => {
    const { recording } = played(record);
    const { policies, models } = whatIf(recording, { simulatedNs: SIMULATED_NS });
    const predicted = policies.find(({ policy }) => policy === "vbal strict")!.domains[0]!.throughput;
    const [low, high] = predicted.ci95;
    return { predicted, close: models.close, covered: low <= truth && truth <= high };
  });
  const { dispatches, interrupts } = shown[0]!;
  return { name, truth, dispatchesPerVcpu: dispatches, interruptsPerVcpu: interrupts, answers };
}

/** Switches are left out: a guest that is kept off its pCPUs hardly tells them. */
const SEEN: ByRecord<KnownHostOptions["sees"]> = {
  nothing: { ...NOTHING_SEEN },
  dispatches: { ...NOTHING_SEEN, dispatches: true },
  "dispatches and interrupts": { ...NOTHING_SEEN, dispatches: true, interrupts: true },
  "dispatches, interrupts, looks and places": {
    switches: false,
    dispatches: true,
    interrupts: true,
    spinning: true,
    inKernel: true,
    stacking: true,
  },
};

function byRecord<Value>(of: (record: KnownRecord) => Value): ByRecord<Value> {
  return Object.fromEntries(KNOWN_RECORDS.map((record) => [record, of(record)])) as Record<
    KnownRecord,
    Value
  >;
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
  unnoticed("mm, 100 us, spinning unnoticed", { meeting: "mm", workNs: 100_000 }),
];

/** Any five, none left out. */
const DRAWN: readonly Named[] = [11, 12, 13, 14, 15].map((n) => {
  const model = drawKnownHost(n);
  const { meeting, workNs } = model.domains[0]!;
  return { name: `drawn: ${meeting}, ${Math.round(workNs / 1_000)} us`, model };
});

/** Two guests that do the same, on a host that does nothing else. */
function alike(
  name: string,
  own: Pick<DomainModel, "meeting" | "workNs">,
  meetingFactor = QUIET_HOST.meetingFactor,
): Named {
  const domain = { ...BUSY_DOMAIN, ...own };
  const host = { ...QUIET_HOST, meetingFactor, interruptFactor: meetingFactor };
  return { name, model: { host, domains: [domain, domain] } };
}

/** The same on a host that does not notice vCPUs that spin. */
function unnoticed(name: string, own: Pick<DomainModel, "meeting" | "workNs">): Named {
  const { model } = alike(name, own);
  return { name, model: { ...model, host: { ...model.host, pauseLoopExits: false } } };
}
