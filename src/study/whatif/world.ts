/** One run of a model under one policy: pure, equal inputs give equal outcomes. */
import { policyOf } from "../../core/policy.ts";
import type { PcpuId } from "../../core/units.ts";
import type { DomainConfig, SimulationConfig } from "../../sim/config.ts";
import { createController, together } from "../../sim/controller/controllers.ts";
import type { ScriptedChange } from "../../sim/controller/script.ts";
import { keyOf, uniform } from "../../sim/engine/draw.ts";
import { type Costs, DEFAULT_COSTS } from "../../sim/machine/constants.ts";
import { CAUSES, type Cause } from "../../sim/metrics/causes.ts";
import { resultOf } from "../../sim/metrics/result.ts";
import { runWorld } from "../../sim/run.ts";
import { createWorld } from "../../sim/world.ts";
import { layoutChanges } from "./layouts.ts";
import type { HostModel, Model } from "./model.ts";
import type { Placement } from "./policies.ts";
import type { Recording } from "./recording.ts";
import { watchStacking } from "./watch_stacking.ts";
import { workloadOf } from "./workload.ts";

/** Whether a program has one thread for every vCPU that it is given, or keeps those that it has. */
export type ThreadRule = "follow" | "keep";

export interface WorldOptions {
  readonly recording: Recording;
  readonly model: Model;
  readonly placements: readonly Placement[];
  readonly threads: ThreadRule;
  /** Runs with the same number draw the same work, whatever the policy. */
  readonly replication: number;
  /** Of hosts with few vCPUs; `SIMULATED_NS` when absent. */
  readonly simulatedNs?: number | undefined;
}

/** Of one domain. */
export interface Outcome {
  /** Finished pieces of work per second. */
  readonly rate: number;
  /** In pCPUs, as of a record. */
  readonly run: number;
  readonly wait: number;
  /** Context switches per second and vCPU. */
  readonly switches: number;
  /** How often the host put a vCPU on a pCPU, per second and vCPU. */
  readonly dispatches: number;
  /** Interrupts that its vCPUs sent each other, as its kernel counts them, per second and vCPU. */
  readonly interrupts: number;
  /** Of the time in which its vCPUs ran, the part in which they spun. */
  readonly spinning: number;
  /** Of the time in which its vCPUs ran, the part in the kernel, at least and at most: locks may be the kernel's or a program's. */
  readonly inKernel: readonly [least: number, most: number];
  /** How far its vCPUs were kept from running together (core/stacking.ts); `null`: it has one, or hardly ran. */
  readonly stacking: number | null;
}

/** In the order of the recording. */
export function runModel(options: WorldOptions): Outcome[] {
  const config = configOf(options);
  const world = createWorld(config);
  const used = options.placements.map(({ vcpus }) => vcpus);
  const watch = watchStacking(world, used);
  const script = createController([
    { kind: "script", changes: [...offlining(options), ...layouts(options, config)] },
  ]);
  runWorld(world, { controller: together([watch.controller, script]) });
  const { domains, endedAt } = resultOf(world);
  return options.recording.domains.map((_, d): Outcome => {
    const { marks, vcpus, causes } = domains[d]!;
    const startedNs = endedAt - (config.domains[d]!.startAt ?? 0);
    const sum = (of: (vcpu: (typeof vcpus)[number]) => number) => vcpus.reduce((all, v) => all + of(v), 0);
    const first = world.domains.firstVcpu[d]!;
    // As a guest's kernel counts: from another thread, or to idle and back.
    const switches = vcpus.reduce((all, _, i) => {
      const [picks, arrivals] = [world.vcpus.picks[first + i]!, world.vcpus.arrivals[first + i]!];
      return all + arrivals + 2 * (picks - arrivals);
    }, 0);
    const [running, runnable] = [sum((v) => v.running), sum((v) => v.runnable)];
    const spun = SPIN_CAUSES.reduce((all, cause) => all + causes[cause], 0);
    const dispatches = vcpus.reduce((all, _, i) => all + world.vcpus.dispatches[first + i]!, 0);
    const perVcpuSecond = NS_PER_SECOND / startedNs / options.placements[d]!.vcpus;
    return {
      rate: (marks * NS_PER_SECOND) / startedNs,
      run: running / startedNs,
      wait: runnable / startedNs,
      switches: switches * perVcpuSecond,
      dispatches: dispatches * perVcpuSecond,
      interrupts: world.domains.arrivedIpis[d]! * perVcpuSecond,
      spinning: running === 0 ? 0 : spun / running,
      inKernel: inKernelOf(causes),
      stacking: watch.stacking(d),
    };
  });
}

function inKernelOf(causes: Readonly<Record<Cause, number>>): readonly [number, number] {
  const kernel = causes.kernel + causes["spin-ipi"] + causes["spin-ipi-preempted"];
  const locks = causes.spin + causes["spin-holder-preempted"] + causes["spin-waiter-preempted"];
  const all = causes.user + kernel + locks + causes["spin-barrier"];
  return all === 0 ? [0, 1] : [kernel / all, (kernel + locks) / all];
}

const SPIN_CAUSES = CAUSES.filter((cause) => cause.startsWith("spin"));
const NS_PER_SECOND = 1_000_000_000;
/** Real domains do not start in the same moment. */
const START_WITHIN_NS = 20_000_000;
const START_STREAM = 0x7374_6172;
const SEED = 1;
/** Hundreds of the host scheduler's slices; large hosts say as much in less time, having more vCPUs. */
const SIMULATED_NS = NS_PER_SECOND;
const SIMULATED_NS_MIN = 200_000_000;
const VCPUS_AT_FULL_TIME = 8;

function configOf(options: WorldOptions): SimulationConfig {
  const { recording, model, placements, threads, replication, simulatedNs = SIMULATED_NS } = options;
  const { snapshot, policy } = recording;
  const places = snapshot.pcpus.filter(({ online }) => online);
  const numberOf = new Map<PcpuId, number>(places.map(({ id }, i) => [id, i]));
  const { groups, pauseLoopExits, tickNs, sharingLoss } = model.host;
  const domains = recording.domains.map((domain, d): DomainConfig => {
    const placement = placements[d]!;
    const own = policyOf(policy, domain.id);
    const everywhere = places.map((_, i) => i);
    const pins = [
      ...placement.pins.map((pcpus) => pcpus.flatMap((id) => numberOf.get(id) ?? [])),
      ...Array.from({ length: placement.offline }, () => everywhere),
    ].map((pcpus) => (pcpus.length === 0 ? everywhere : pcpus));
    const count = threadsUnder(threads, {
      modelled: model.domains[d]!.threads,
      recorded: domain.online,
      vcpus: placement.vcpus,
    });
    return {
      name: `d${d}`,
      vcpus: placement.vcpus + placement.offline,
      // Without groups the host knows nothing of domains.
      ...(groups ? { weight: own.weight } : {}),
      ...(own.cap === null ? {} : { cap: own.cap }),
      pins,
      startAt: Math.floor(uniform(keyOf(START_STREAM, replication, d)) * START_WITHIN_NS),
      workload: workloadOf(model.domains[d]!, count),
    };
  });
  const vcpus = domains.reduce((sum, domain) => sum + domain.vcpus, 0);
  return {
    seed: SEED,
    replication,
    until: {
      at: Math.max(SIMULATED_NS_MIN, simulatedNs * Math.min(1, VCPUS_AT_FULL_TIME / Math.max(1, vcpus))),
    },
    machine: {
      topology: { places: places.map(({ core, llc, node }) => ({ core, llc, node })) },
      // How much SMT siblings slow each other down is in no record.
      costs: {
        ...meetingCosts(model.host),
        ...refillCosts(sharingLoss),
        smtSharedRate: 1,
        remoteMemoryRate: 1,
      },
    },
    host: { scheduler: { kind: "eevdf", groups, tick: tickNs }, pauseLoopExits },
    domains: [...domains, ...others(model.host), ...housekeeping(model.host, places.length)],
  };
}

/** A program that had a thread on every vCPU has one on every vCPU again; any other keeps its own number. */
export function threadsUnder(
  rule: ThreadRule,
  {
    modelled,
    recorded,
    vcpus,
  }: { readonly modelled: number; readonly recorded: number; readonly vcpus: number },
): number {
  return rule === "follow" && modelled === recorded ? vcpus : modelled;
}

function meetingCosts({ meetingFactor, interruptFactor, shootdownFactor }: HostModel): Partial<Costs> {
  return {
    ...costs(meetingFactor, ["futexWait", "futexWake", "lockHandoff", "taskSwitch"]),
    ...costs(interruptFactor, ["ipiSend", "ipiReceive"]),
    ...costs(shootdownFactor, ["shootdown"]),
  };
}

function costs(factor: number, names: readonly (keyof Costs)[]): Partial<Costs> {
  return Object.fromEntries(names.map((name) => [name, Math.round(factor * DEFAULT_COSTS[name])]));
}

/** So long must others run to leave nothing of a vCPU in the caches: longer than a slice, so that the loss is a part of the time. */
const EVICTION_NS = 10_000_000;

/** A move within a last-level cache costs what a pCPU's own caches held: a megabyte at 10 GB/s. */
const OWN_CACHES_NS = 100_000;

function refillCosts(sharingLoss: number): Partial<Costs> {
  const refill = Math.round(sharingLoss * EVICTION_NS);
  return {
    cacheRefillSamePcpu: refill,
    cacheRefillSameLlc: Math.max(DEFAULT_COSTS.cacheRefillSameLlc, Math.min(refill, OWN_CACHES_NS)),
    cacheEviction: EVICTION_NS,
  };
}

/** The host's own programs, as a domain that nobody manages and that shares by thread. */
function others({ otherThreads }: HostModel): DomainConfig[] {
  if (otherThreads === 0) return [];
  const work = { do: "compute", time: { mean: 1_000_000, cv: 1 } } as const;
  const program = [{ do: "repeat", body: [work] } as const];
  return [{ name: "others", vcpus: otherThreads, workload: { tasks: [{ count: otherThreads, program }] } }];
}

/** On every pCPU. Without it, vCPUs of one guest that begin together are run in step for ever. */
function housekeeping({ housekeeping }: HostModel, pcpus: number): DomainConfig[] {
  if (housekeeping === null) return [];
  const work = { do: "compute", time: { mean: Math.round(housekeeping.workNs), cv: 1 } } as const;
  const sleep = { do: "sleep", time: { mean: Math.round(housekeeping.sleepNs), cv: 1 } } as const;
  const program = [{ do: "repeat", body: [sleep, work] } as const];
  return Array.from({ length: pcpus }, (_, pcpu) => ({
    name: `housekeeping${pcpu}`,
    vcpus: 1,
    pins: [[pcpu]],
    workload: { tasks: [{ count: 1, program }] },
  }));
}

/** Those vCPUs that the policy leaves unused are taken at once. */
function offlining({ placements }: WorldOptions): ScriptedChange[] {
  return placements.flatMap(({ vcpus, offline }, d) =>
    offline === 0 ? [] : [{ at: START_WITHIN_NS, domain: `d${d}`, online: vcpus }],
  );
}

/** Only a host that leaves vCPUs where they are is told where that is. */
function layouts(options: WorldOptions, config: SimulationConfig): ScriptedChange[] {
  const { model, placements, replication } = options;
  if (!model.host.staying) return [];
  const domains = placements.map(({ vcpus }, d) => {
    const { name, pins } = config.domains[d]!;
    return { name, pins: (pins ?? []).slice(0, vcpus), stacking: model.domains[d]!.stacking };
  });
  const pcpus = options.recording.snapshot.pcpus.filter(({ online }) => online).length;
  return layoutChanges(domains, { pcpus, untilNs: config.until.at, key: replication });
}
