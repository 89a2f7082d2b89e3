/**
 * A host whose truth is known: the simulator plays it. What it shows becomes a record, without what a daemon did not see there, and
 * what it gives under vbal is what a prediction from that record should have said. Two guests of two vCPUs share two pCPUs.
 */
import type { DomainSnapshot } from "../../core/model.ts";
import { DEFAULT_POLICY } from "../../core/policy.ts";
import { drawModel, type Model } from "./model.ts";
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
  readonly sees: { readonly switches: boolean; readonly dispatches: boolean };
  readonly simulatedNs: number;
}

const VCPUS = 2;
const PCPUS = [0, 1] as const;
/** No model of a fit has this number, so that none draws the same work. */
const REPLICATION = 9_999;

export function playKnownHost(model: Model, { sees, simulatedNs }: KnownHostOptions): KnownHost {
  const blank = recordingOfTwo(() => ({
    run: exactly(1),
    wait: exactly(1),
    switches: null,
    dispatches: null,
  }));
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
    const { run, wait, switches, dispatches } = before[d]!;
    return {
      run: exactly(run),
      wait: exactly(wait),
      switches: sees.switches ? exactly(switches) : null,
      dispatches: sees.dispatches ? exactly(dispatches) : null,
    };
  });
  return { recording, gains: before.map(({ rate }, d) => after[d]!.rate / rate), shown: before };
}

/** The n-th of all hosts that the ranges of models hold; its domains want a pCPU three quarters of the time, or always. */
export function drawKnownHost(n: number): Model {
  return drawModel(
    recordingOfTwo(() => ({ run: exactly(1), wait: exactly(0.5), switches: null, dispatches: null })),
    n,
  );
}

function exactly(mean: number): Observed {
  return { mean, error: 0 };
}

type Seen = Pick<RecordedDomain, "run" | "wait" | "switches" | "dispatches">;

function recordingOfTwo(seen: (d: number) => Seen): Recording {
  const ids = ["a", "b"];
  return {
    snapshot: {
      pcpus: PCPUS.map((id) => ({ id, core: id, llc: 0, node: 0, online: true })),
      domains: ids.map(domainOf),
    },
    policy: { ...DEFAULT_POLICY, mode: "observe" },
    pcpus: PCPUS,
    domains: ids.map((id, d) => ({
      id,
      vcpus: VCPUS,
      online: VCPUS,
      pins: Array.from({ length: VCPUS }, () => PCPUS),
      ...seen(d),
    })),
    seconds: 60,
    journalSeconds: 60,
    fromMs: 0,
    underVbal: false,
    source: "journal and history",
    gaps: [],
  };
}

function domainOf(id: string): DomainSnapshot {
  const indices = Array.from({ length: VCPUS }, (_, index) => index);
  return {
    id,
    incarnation: "1",
    state: "running",
    vcpus: indices.map((index) => ({
      index,
      pins: PCPUS,
      guestSocket: 0,
      guestCore: index,
      guestThread: 0,
      guestNode: 0,
    })),
    emulatorPins: null,
    guest: {
      agent: "vbal-agent",
      mechanisms: ["offline"],
      vcpus: indices.map((index) => ({ index, online: true, canOffline: index !== 0 })),
    },
  };
}
