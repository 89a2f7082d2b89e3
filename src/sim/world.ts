/** The world of one run: clock, events, tables, policy. Built by `createWorld`, moved by run.ts. */
import type { DomainConfig, SimulationConfig } from "./config.ts";
import { DIGEST_START } from "./engine/digest.ts";
import { keyOf } from "./engine/draw.ts";
import { EVENT_START } from "./engine/event_kinds.ts";
import { Slots } from "./engine/slots.ts";
import { ENTITIES_MAX } from "./engine/tie_rank.ts";
import { Timers } from "./engine/timers.ts";
import { createHost } from "./host/host.ts";
import { MEMORY_PART, ratesVary, remoteRateOf } from "./host/rates.ts";
import { createPolicy } from "./host_scheduler/policies.ts";
import type { HostPolicy } from "./host_scheduler/policy.ts";
import { type Costs, DEFAULT_COSTS } from "./machine/constants.ts";
import { placesOf } from "./machine/topology.ts";
import { Trace } from "./metrics/trace.ts";
import { Queues, Sources } from "./queue_tables.ts";
import * as tables from "./tables.ts";
import { WaitLists } from "./wait_lists.ts";
import { compileProgram, declare, emptyCompiled, LOOP_DEPTH_MAX, type Names } from "./workload/compile.ts";
import { Durations } from "./workload/durations.ts";
import type { Crowding, Duration, LockKind } from "./workload/program.ts";

/** Timers beyond one per pCPU that a policy may use, and timers that a controller may use. */
export const POLICY_TIMERS_EXTRA = 64;
export const CONTROL_TIMERS = 64;

export const AVOID_NOTHING = 0;
export const AVOID_HINTED = 1;
export const AVOID_OBSERVED = 2;

export interface World {
  readonly config: SimulationConfig;
  readonly costs: Costs;
  readonly pauseLoopExiting: boolean;
  /** Cores have several threads, or memory several nodes (host/rates.ts). */
  readonly ratesVary: boolean;
  /** AVOID_*: which lock-holder preemption avoidance. */
  readonly avoidance: number;
  /** Everything random in the run hangs on this key. */
  readonly key: number;

  now: number;
  /** An event handler sets it when the run is over. */
  ended: boolean;
  readonly slots: Slots;
  readonly timers: Timers;
  policy: HostPolicy;
  /** pCPUs that await a decision. */
  reschedules: number;
  /** How many there are in `vcpus.fresh`. */
  freshCount: number;

  readonly pcpus: tables.Pcpus;
  readonly vcpus: tables.Vcpus;
  readonly tasks: tables.Tasks;
  readonly domains: tables.Domains;
  readonly locks: tables.Locks;
  readonly barriers: tables.Barriers;
  readonly queues: Queues;
  readonly sources: Sources;
  /** Per domain: the names that its workload gave to locks, barriers, conditions and queues, and their numbers. */
  readonly names: readonly Names[];
  readonly lockWaits: WaitLists;
  readonly barrierWaits: WaitLists;
  readonly conditionWaits: WaitLists;
  readonly popWaits: WaitLists;
  readonly pushWaits: WaitLists;
  /** `owed[target * vcpus + initiator]`: the task on the initiator to whom the target owes an acknowledgement, plus 1; 0 for none. */
  readonly owed: Int32Array;

  readonly code: Int32Array;
  readonly durations: Durations;
  readonly crowdings: readonly Crowding[];

  // What was counted.
  readonly trace: Trace | null;
  events: number;
  digest: number;
  idlePcpus: number;
  waitingVcpus: number;
  /** The integral of the lesser of idle pCPUs and waiting vCPUs: pCPU time that idles though work waits. */
  idleWhileWaiting: number;
  countedAt: number;
  domainsAwaited: number;
  vcpuSwitches: number;
  vcpuMigrations: number;
  taskSwitches: number;
  holderPreemptions: number;
  waiterPreemptions: number;
  preemptionsDelayed: number;
  preemptionsForced: number;
  ipis: number;
  shootdowns: number;
  pauseLoopExits: number;
}

export function createWorld(config: SimulationConfig): World {
  const salt = config.tieSalt ?? 0;
  const key = keyOf(config.seed, config.replication);
  const places = placesOf(config.machine.topology);
  const compiled = compileAll(config, key);
  const { domains, tasks, vcpus, sources } = tablesOf(config, compiled, places.length);

  const timers = new Timers(
    [
      domains.count,
      tasks.count,
      sources.count,
      domains.count,
      vcpus.count,
      places.length + POLICY_TIMERS_EXTRA,
      CONTROL_TIMERS,
      1,
      vcpus.count,
    ],
    EVENT_START,
    salt,
  );
  const lockCount = compiled.out.lockKinds.length;
  const avoidance = { none: AVOID_NOTHING, hinted: AVOID_HINTED, observed: AVOID_OBSERVED }[
    config.host.lockHolderAvoidance ?? "none"
  ];
  const world: World = {
    config,
    costs: { ...DEFAULT_COSTS, ...config.machine.costs },
    pauseLoopExiting: config.host.pauseLoopExits ?? false,
    ratesVary: ratesVary(places),
    avoidance,
    key,
    now: 0,
    ended: false,
    slots: new Slots(places.length, salt),
    timers,
    policy: NO_POLICY,
    reschedules: 0,
    freshCount: 0,
    pcpus: new tables.Pcpus(places),
    vcpus,
    tasks,
    domains,
    locks: new tables.Locks(compiled.out.lockKinds.map(lockKind)),
    barriers: new tables.Barriers(compiled.out.barrierParties, compiled.out.barrierSpin),
    queues: new Queues(compiled.out.queueCapacity),
    sources,
    names: compiled.names,
    lockWaits: new WaitLists(lockCount, tasks.next),
    barrierWaits: new WaitLists(compiled.out.barrierParties.length, tasks.next),
    conditionWaits: new WaitLists(compiled.out.conditions, tasks.next),
    popWaits: new WaitLists(compiled.out.queueCapacity.length, tasks.next),
    pushWaits: new WaitLists(compiled.out.queueCapacity.length, tasks.next),
    owed: new Int32Array(vcpus.count * vcpus.count),
    code: Int32Array.from(compiled.out.code),
    durations: new Durations(compiled.out.durations),
    crowdings: compiled.out.crowdings,
    trace: config.traceRecords === undefined ? null : new Trace(config.traceRecords),
    events: 0,
    digest: DIGEST_START,
    idlePcpus: places.length,
    waitingVcpus: 0,
    idleWhileWaiting: 0,
    countedAt: 0,
    domainsAwaited: config.until.finished?.length ?? 0,
    vcpuSwitches: 0,
    vcpuMigrations: 0,
    taskSwitches: 0,
    holderPreemptions: 0,
    waiterPreemptions: 0,
    preemptionsDelayed: 0,
    preemptionsForced: 0,
    ipis: 0,
    shootdowns: 0,
    pauseLoopExits: 0,
  };
  config.domains.forEach(({ workload }, d) => {
    domains.remoteRate[d] = remoteRateOf(workload.memoryPart ?? MEMORY_PART, world.costs.remoteMemoryRate);
  });
  world.policy = createPolicy(createHost(world), config.host.scheduler);
  return world;
}

const NO_POLICY: HostPolicy = {
  onWake() {},
  onHalt() {},
  onPreempt() {},
  pickNext: () => -1,
  slice: () => tables.NEVER,
};

interface TaskPlan {
  readonly domain: number;
  readonly entry: number;
  readonly weight: number;
  readonly key: number;
}

interface SourcePlan {
  readonly domain: number;
  readonly vcpu: number;
  readonly queue: number;
  readonly duration: number;
  readonly key: number;
}

function compileAll(config: SimulationConfig, key: number) {
  const out = emptyCompiled();
  const tasks: TaskPlan[] = [];
  const sources: SourcePlan[] = [];
  const allNames: Names[] = [];
  config.domains.forEach((domain, d) => {
    const names = declare(out, domain.name, domain.workload);
    allNames.push(names);
    let inDomain = 0;
    for (const group of domain.workload.tasks) {
      const entry = compileProgram(out, names, group.program);
      for (let i = 0; i < group.count; i++) {
        tasks.push({ domain: d, entry, weight: group.weight ?? 1024, key: keyOf(key, d, inDomain++) });
      }
    }
    (domain.workload.sources ?? []).forEach((source, i) => {
      const queue = names.queues.get(source.queue);
      if (queue === undefined) {
        throw new Error(
          `Domain ${domain.name}: source ${i} feeds the queue "${source.queue}", which is not declared`,
        );
      }
      const duration: Duration = source.interval;
      sources.push({
        domain: d,
        vcpu: source.vcpu,
        queue,
        duration: out.durations.push(duration) - 1,
        key: keyOf(key, d, 1_000_000 + i),
      });
    });
  });
  return { out, tasks, sources, names: allNames };
}

function tablesOf(config: SimulationConfig, compiled: ReturnType<typeof compileAll>, pcpus: number) {
  const domains = new tables.Domains(config.domains.map((domain) => domain.name));
  const vcpuDomain: number[] = [];
  const vcpuIndex: number[] = [];
  config.domains.forEach((domain, d) => {
    checkDomain(domain, pcpus);
    domains.weight[d] = domain.weight ?? 256;
    domains.cap[d] = domain.cap ?? 0;
    domains.startAt[d] = domain.startAt ?? 0;
    domains.restarts[d] = domain.restart ? 1 : 0;
    domains.stealAware[d] = domain.stealAware ? 1 : 0;
    domains.tickPeriod[d] = domain.timerTicks === undefined ? 0 : Math.round(1e9 / domain.timerTicks);
    domains.firstVcpu[d] = vcpuDomain.length;
    domains.vcpuCount[d] = domain.vcpus;
    for (let i = 0; i < domain.vcpus; i++) {
      vcpuDomain.push(d);
      vcpuIndex.push(i);
    }
    domains.firstTask[d] = compiled.tasks.findIndex((task) => task.domain === d);
    domains.taskCount[d] = compiled.tasks.filter((task) => task.domain === d).length;
  });
  if (Math.max(vcpuDomain.length, compiled.tasks.length) >= ENTITIES_MAX) {
    throw new Error(`More than ${ENTITIES_MAX} vCPUs or tasks; split the scenario`);
  }

  const tasks = new tables.Tasks(
    compiled.tasks.map((task) => task.domain),
    LOOP_DEPTH_MAX,
  );
  compiled.tasks.forEach((task, h) => {
    tasks.entry[h] = task.entry;
    tasks.weight[h] = task.weight;
    tasks.key[h] = task.key;
  });
  const vcpus = new tables.Vcpus(vcpuDomain, vcpuIndex, pcpus, [...domains.taskCount]);
  config.domains.forEach((domain, d) => {
    domain.pins?.forEach((pins, i) => {
      const row = (domains.firstVcpu[d] + i) * pcpus;
      vcpus.allowed.fill(0, row, row + pcpus);
      for (const p of pins) vcpus.allowed[row + p] = 1;
    });
  });
  const sources = new Sources(compiled.sources.length);
  compiled.sources.forEach((source, s) => {
    sources.queue[s] = source.queue;
    sources.vcpu[s] = domains.firstVcpu[source.domain] + source.vcpu;
    sources.duration[s] = source.duration;
    sources.key[s] = source.key;
  });
  return { domains, tasks, vcpus, sources };
}

function checkDomain(domain: DomainConfig, pcpus: number): void {
  const complain = (what: string): never => {
    throw new Error(`Domain ${domain.name}: ${what}`);
  };
  if (!Number.isInteger(domain.vcpus) || domain.vcpus < 1)
    complain(`vcpus must be a positive integer, not ${domain.vcpus}`);
  if (domain.workload.tasks.length === 0) complain("its workload has no tasks");
  if (domain.pins !== undefined && domain.pins.length !== domain.vcpus) {
    complain(`pins has ${domain.pins.length} lists for ${domain.vcpus} vCPUs; give one list per vCPU`);
  }
  domain.pins?.forEach((pins, i) => {
    if (pins.length === 0) complain(`vCPU ${i} is pinned to no pCPU at all`);
    for (const p of pins)
      if (!(0 <= p && p < pcpus))
        complain(`vCPU ${i} is pinned to pCPU ${p}; the host has 0 to ${pcpus - 1}`);
  });
  for (const source of domain.workload.sources ?? []) {
    if (!(0 <= source.vcpu && source.vcpu < domain.vcpus))
      complain(`a source interrupts vCPU ${source.vcpu}, which it has not`);
  }
}

function lockKind(kind: LockKind): number {
  switch (kind) {
    case "test-and-set":
      return tables.LOCK_TEST_AND_SET;
    case "ticket":
      return tables.LOCK_TICKET;
    case "queued":
      return tables.LOCK_QUEUED;
    case "paravirtual":
      return tables.LOCK_PARAVIRTUAL;
    case "paravirtual-ticket":
      return tables.LOCK_PARAVIRTUAL_TICKET;
    case "mutex":
      return tables.LOCK_MUTEX;
    case "rwsem":
      return tables.LOCK_RWSEM;
  }
}
