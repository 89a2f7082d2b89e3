/**
 * A host whose truth is known: the simulator plays it. What it shows becomes a record, without what a daemon did not see there, and
 * what it gives under vbal is what a prediction from that record should have said. Two guests of two vCPUs share two pCPUs.
 */
import { DEFAULT_POLICY } from "../../core/policy.ts";
import { domainOf, flatHost } from "../../core/sample_host.ts";
import { mean } from "../statistics/estimate.ts";
import { NO_HOST_FACTS } from "./host_facts.ts";
import { type DomainModel, drawModel, type HostModel, type Model } from "./model.ts";
import { placementsUnder, type WhatIfPolicy } from "./policies.ts";
import type { Observed, RecordedDomain, Recording } from "./recording.ts";
import { type Outcome, runModel } from "./world.ts";

export interface KnownHost {
  readonly recording: Recording;
  /** Of each domain: throughput under `vbal strict` over that as recorded. */
  readonly gains: readonly number[];
  readonly shown: readonly Outcome[];
}

export interface KnownHostOptions {
  /** What is recorded beside run and waiting. */
  readonly sees: Readonly<Record<KnownRate | "inKernel", boolean>>;
  readonly simulatedNs: number;
}

export type KnownRate = "switches" | "dispatches" | "interrupts" | "spinning" | "stacking";

export const NOTHING_SEEN: KnownHostOptions["sees"] = {
  switches: false,
  dispatches: false,
  interrupts: false,
  spinning: false,
  inKernel: false,
  stacking: false,
};

/** It does nothing else, balances, and meeting costs what it does on slow hardware. */
export const QUIET_HOST: HostModel = {
  groups: false,
  meetingFactor: 5,
  interruptFactor: 5,
  shootdownFactor: 1,
  otherThreads: 0,
  pauseLoopExits: true,
  tickNs: 4_000_000,
  sharingLoss: 0,
  housekeeping: null,
  staying: false,
};

/** A thread on each vCPU that never sleeps of its own accord. */
export const BUSY_DOMAIN: DomainModel = {
  meeting: "compute",
  threads: 2,
  workNs: 300_000,
  intensity: 0.1,
  faultPart: 0.125,
  burst: null,
  kernelPart: 0,
  stacking: 0,
};

const VCPUS = 2;
const PCPUS = [0, 1] as const;
/** No model of a fit has this number, so that none draws the same work. */
const REPLICATION = 9_999;

export function playKnownHost(model: Model, { sees, simulatedNs }: KnownHostOptions): KnownHost {
  const blank = recordingOfTwo(() => ({ run: exactly(1), wait: exactly(1), ...NO_RATES }));
  const play = (policy: WhatIfPolicy) =>
    runModel({
      recording: blank,
      model,
      placements: placementsUnder(policy, blank),
      threads: "follow",
      replication: REPLICATION,
      simulatedNs,
    });
  const [before, after] = [play("default"), play("vbal strict")];
  const recording = recordingOfTwo((d) => {
    const shown = before[d]!;
    const rate = (which: KnownRate) => (sees[which] && shown[which] !== null ? exactly(shown[which]) : null);
    return {
      run: exactly(shown.run),
      wait: exactly(shown.wait),
      switches: rate("switches"),
      dispatches: rate("dispatches"),
      interrupts: rate("interrupts"),
      spinning: rate("spinning"),
      inKernel: sees.inKernel ? exactly(mean(shown.inKernel)) : null,
      stacking: rate("stacking"),
    };
  });
  return { recording, gains: before.map(({ rate }, d) => after[d]!.rate / rate), shown: before };
}

/** The n-th of all hosts that the ranges of models hold; its domains want a pCPU three quarters of the time, or always. */
export function drawKnownHost(n: number): Model {
  return drawModel(
    recordingOfTwo(() => ({ run: exactly(1), wait: exactly(0.5), ...NO_RATES })),
    n,
  );
}

function exactly(mean: number): Observed {
  return { mean, error: 0 };
}

const NO_RATES = {
  switches: null,
  dispatches: null,
  interrupts: null,
  spinning: null,
  inKernel: null,
  stacking: null,
} as const;

type Seen = Pick<RecordedDomain, "run" | "wait" | "inKernel" | KnownRate>;

function recordingOfTwo(seen: (d: number) => Seen): Recording {
  const ids = ["a", "b"];
  const pins = Array.from({ length: VCPUS }, () => PCPUS);
  return {
    snapshot: {
      pcpus: flatHost(PCPUS.length),
      domains: ids.map((id) => domainOf(id, { vcpus: VCPUS, pins })),
    },
    policy: { ...DEFAULT_POLICY, mode: "observe" },
    pcpus: PCPUS,
    domains: ids.map((id, d) => ({
      id,
      vcpus: VCPUS,
      online: VCPUS,
      pins,
      ...seen(d),
    })),
    seconds: 60,
    journalSeconds: 60,
    fromMs: 0,
    underVbal: false,
    source: "journal and history",
    facts: NO_HOST_FACTS,
    gaps: [],
  };
}
