/**
 * The real lab beside the simulator: models of the lab's programs are fitted to one guest alone (arms `alone-one` and `alone` of
 * the lab benchmark), nothing else, and then predict two guests under default scheduling, affinity and vbal. Errors are
 * reported as they are. The host is Linux's EEVDF without groups on the lab's two pCPUs; vbal is what it brings about: one vCPU
 * for each guest, pinned apart.
 */
import type { DomainConfig } from "../../sim/config.ts";
import { bits, keyOf } from "../../sim/engine/draw.ts";
import { runSimulation } from "../../sim/run.ts";
import type { LabBenchResult } from "../lab/bench_lab.ts";
import { type Interval, median, medianInterval } from "../statistics.ts";
import { LAB_MODELS, MODELLED_PROGRAMS, type ModelledProgram, meetingCosts } from "./lab_models.ts";

export const PREDICTED_ARMS = ["default", "affinity", "vbal"] as const;
export type PredictedArm = (typeof PREDICTED_ARMS)[number];

export interface LabPrediction {
  /** How fast a pCPU is while the other works too, from `compute` alone on one and on two; at most 1. */
  readonly bothBusyRate: number;
  readonly replications: number;
  readonly programs: readonly ProgramPrediction[];
}

export interface ProgramPrediction {
  readonly program: ModelledProgram;
  readonly aloneOneSeconds: number;
  readonly aloneSeconds: number;
  /** The model's time for `alone`, after fitting. */
  readonly fittedAloneSeconds: number;
  readonly meetingFactor: number;
  readonly arms: readonly ArmPrediction[];
}

export interface ArmPrediction {
  readonly arm: PredictedArm;
  readonly realSeconds: number;
  readonly realCi95: Interval;
  readonly predictedSeconds: number;
  readonly predictedCi95: Interval;
  /** Predicted over real, less 1. */
  readonly error: number;
}

const REPLICATIONS = 10;
/** Of simulated time per run, about; longer runs are the same again. */
const SIMULATED_NS = 600_000_000;
/** Real guests never start in the same moment. */
const START_WITHIN_NS = 20_000_000;

/** Throws when the result lacks an arm or the fitted program. */
export function predictLab(measured: LabBenchResult, replications = REPLICATIONS): LabPrediction {
  const secondsOf = (program: ModelledProgram, arm: keyof LabBenchResult["programs"][string]["arms"]) => {
    const found = measured.programs[program]?.arms[arm];
    if (found === undefined) {
      throw new Error(
        `The lab's result has no arm ${arm} of ${program}: measure with vbal bench lab --arms default,affinity,vbal,alone,alone-one`,
      );
    }
    return found;
  };
  const one = secondsOf("compute", "alone-one").medianSeconds;
  const two = secondsOf("compute", "alone").medianSeconds;
  const bothBusyRate = Math.min(1, one / (2 * two));
  const present = MODELLED_PROGRAMS.filter((program) => measured.programs[program] !== undefined);
  return {
    bothBusyRate,
    replications,
    programs: present.map((program): ProgramPrediction => {
      const aloneOneSeconds = secondsOf(program, "alone-one").medianSeconds;
      const aloneSeconds = secondsOf(program, "alone").medianSeconds;
      const lab = new SimulatedLab(program, measured.scale, aloneOneSeconds, bothBusyRate);
      const meetingFactor = fitMeeting(lab, aloneSeconds);
      return {
        program,
        aloneOneSeconds,
        aloneSeconds,
        fittedAloneSeconds: lab.alone(meetingFactor),
        meetingFactor,
        arms: PREDICTED_ARMS.map((arm): ArmPrediction => {
          const real = secondsOf(program, arm);
          const times = Array.from({ length: replications }, (_, r) => lab.pair(arm, meetingFactor, r));
          return {
            arm,
            realSeconds: real.medianSeconds,
            realCi95: real.ci95,
            predictedSeconds: median(times),
            predictedCi95: medianInterval(times),
            error: median(times) / real.medianSeconds - 1,
          };
        }),
      };
    }),
  };
}

const FACTOR_MIN = 0.01;
const FACTOR_MAX = 10_000;
const FIT_STEPS = 30;

/** The factor at which the model takes as long alone as the guest did; the nearest bound when there is none. */
function fitMeeting(lab: SimulatedLab, aloneSeconds: number): number {
  if (!lab.meets) return 1;
  let low = Math.log(FACTOR_MIN);
  let high = Math.log(FACTOR_MAX);
  for (let step = 0; step < FIT_STEPS; step++) {
    const middle = (low + high) / 2;
    if (lab.alone(Math.exp(middle)) < aloneSeconds) low = middle;
    else high = middle;
  }
  return Math.exp((low + high) / 2);
}

/** One program on the lab's two pCPUs. Times are seconds of the whole program, of which a part is simulated. */
class SimulatedLab {
  readonly meets: boolean;
  readonly #program: ModelledProgram;
  readonly #work: number;
  readonly #rounds: number;
  readonly #secondsPerNs: number;
  readonly #bothBusyRate: number;

  constructor(program: ModelledProgram, scale: number, aloneOneSeconds: number, bothBusyRate: number) {
    const rounds = Math.max(1, Math.floor(LAB_MODELS[program].rounds * scale));
    this.meets = program !== "compute";
    this.#program = program;
    this.#work = (aloneOneSeconds * 1e9) / rounds;
    this.#rounds = Math.min(rounds, Math.max(2, 2 * Math.ceil(SIMULATED_NS / this.#work / 2)));
    this.#secondsPerNs = rounds / this.#rounds / 1e9;
    this.#bothBusyRate = bothBusyRate;
  }

  /** One guest with both pCPUs. */
  alone(meetingFactor: number): number {
    return this.#run([this.#guest("a", { vcpus: 2 })], meetingFactor, 0);
  }

  /** The mean of two guests. */
  pair(arm: PredictedArm, meetingFactor: number, replication: number): number {
    const startAt = (bits(keyOf(replication), 0) >>> 0) % START_WITHIN_NS;
    const guests = [0, startAt].map((start, g) => this.#guest(`${g}`, { ...placed(arm, g), startAt: start }));
    return this.#run(guests, meetingFactor, replication);
  }

  #guest(name: string, more: Pick<DomainConfig, "vcpus"> & Partial<DomainConfig>): DomainConfig {
    const { workload } = LAB_MODELS[this.#program];
    return { name, workload: workload(more.vcpus, this.#rounds, this.#work), ...more };
  }

  #run(domains: readonly DomainConfig[], meetingFactor: number, replication: number): number {
    const { domains: done } = runSimulation({
      seed: 1,
      replication,
      until: { at: LONGEST_NS, finished: domains.map(({ name }) => name) },
      machine: {
        // Two threads of one "core": what one takes from the other is measured, not what hardware it is.
        topology: { pcpus: 2, threadsPerCore: 2 },
        costs: { ...meetingCosts(meetingFactor), smtSharedRate: this.#bothBusyRate },
      },
      host: { scheduler: { kind: "eevdf", groups: false } },
      domains,
    });
    const times = done.map(({ finishedAt }, d) => (finishedAt ?? LONGEST_NS) - (domains[d]!.startAt ?? 0));
    return (times.reduce((sum, time) => sum + time, 0) / times.length) * this.#secondsPerNs;
  }
}

/** A run that takes longer than this has not met its end. */
const LONGEST_NS = 600_000_000_000;

function placed(arm: PredictedArm, guest: number): Pick<DomainConfig, "vcpus"> & Partial<DomainConfig> {
  switch (arm) {
    case "default":
      return { vcpus: 2 };
    case "affinity":
      return { vcpus: 2, pins: [[0], [1]] };
    case "vbal":
      return { vcpus: 1, pins: [[guest]] };
  }
}
