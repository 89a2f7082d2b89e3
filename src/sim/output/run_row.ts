/**
 * One run as one tidy row: what was run, what came of it. Equal configs give equal rows, byte for byte. Times are
 * nanoseconds, as the names say.
 */
import type { CauseTimes, Counts, RunResult } from "../metrics/result.ts";
import type { Scenario } from "../scenario/scenario.ts";

export interface RunRow {
  readonly scenario: string;
  /** Names what was simulated, whatever the seed. */
  readonly configHash: string;
  /** Of the program, when the caller knows it. */
  readonly commit: string | null;
  readonly seed: number;
  readonly replication: number;
  /** The host scheduler's name and the controllers', joined by plus. */
  readonly policy: string;
  /** The domains' workloads, joined by plus. */
  readonly workload: string;
  /** Names the run itself: equal digests, equal event sequences. */
  readonly digest: string;
  readonly events: number;
  readonly endedAtNs: number;
  /** Summed over pCPUs. */
  readonly pcpus: {
    readonly count: number;
    readonly runNs: number;
    readonly switchingNs: number;
    readonly idleNs: number;
  };
  readonly counts: Omit<Counts, "idleWhileWaiting"> & { readonly idleWhileWaitingNs: number };
  readonly domains: Readonly<Record<string, DomainRow>>;
}

export interface DomainRow {
  readonly workload: string;
  /** When its workload first finished; null when it did not. */
  readonly finishedAtNs: number | null;
  readonly completions: number;
  /** Finished pieces of work, and how many in a second of the run. */
  readonly marks: number;
  readonly marksPerSecond: number;
  /** Summed over vCPUs: on a pCPU, and waiting for one. */
  readonly runningNs: number;
  readonly waitingNs: number;
  /** pCPU time in kernel mode; and what the guest shows of it when its accounts are blind to steal time. */
  readonly kernelNs: number;
  readonly guestVisibleKernelNs: number;
  /** Summed over threads: every nanosecond of every thread has one cause (metrics/causes.ts). */
  readonly causesNs: CauseTimes;
  readonly locks: Readonly<Record<string, { readonly acquisitions: number; readonly heldNs: number }>>;
  readonly barriers: Readonly<Record<string, { readonly releases: number }>>;
  readonly queues: Readonly<Record<string, { readonly meanLength: number }>>;
  readonly sources: readonly { readonly arrived: number; readonly dropped: number }[];
  readonly vcpus: readonly VcpuRow[];
  readonly threads: readonly ThreadRow[];
}

export interface VcpuRow {
  readonly runningNs: number;
  readonly runnableNs: number;
  readonly haltedNs: number;
  readonly offlineNs: number;
  /** Timer ticks taken; absent in a domain that has none. */
  readonly ticks?: number;
}

export interface ThreadRow {
  readonly marks: number;
  readonly causesNs: CauseTimes;
}

export function runRow(
  scenario: Scenario,
  run: { readonly replication: number; readonly result: RunResult; readonly commit: string | null },
): RunRow {
  const { result, replication, commit } = run;
  const { config, controllers } = scenario;
  const { idleWhileWaiting, ...counts } = result.counts;
  return {
    scenario: scenario.name,
    configHash: scenario.configHash,
    commit,
    seed: config.seed,
    replication,
    policy: [config.host.scheduler, ...controllers].map(({ kind }) => kind).join("+"),
    workload: config.domains.map(({ name }) => scenario.workloads[name]).join("+"),
    digest: result.digest,
    events: result.events,
    endedAtNs: result.endedAt,
    pcpus: {
      count: result.pcpus.length,
      runNs: sum(result.pcpus, ({ run }) => run),
      switchingNs: sum(result.pcpus, ({ switching }) => switching),
      idleNs: sum(result.pcpus, ({ idle }) => idle),
    },
    counts: { ...counts, idleWhileWaitingNs: idleWhileWaiting },
    domains: Object.fromEntries(
      result.domains.map((domain) => [
        domain.name,
        domainRow(domain, scenario.workloads[domain.name] ?? "", result.endedAt),
      ]),
    ),
  };
}

const NS_PER_SECOND = 1_000_000_000;

function domainRow(domain: RunResult["domains"][number], workload: string, endedAt: number): DomainRow {
  return {
    workload,
    finishedAtNs: domain.finishedAt,
    completions: domain.completions,
    marks: domain.marks,
    marksPerSecond: endedAt === 0 ? 0 : (domain.marks * NS_PER_SECOND) / endedAt,
    runningNs: sum(domain.vcpus, ({ running }) => running),
    waitingNs: sum(domain.vcpus, ({ runnable }) => runnable),
    kernelNs: domain.kernelTime.actual,
    guestVisibleKernelNs: domain.kernelTime.guestVisible,
    causesNs: domain.causes,
    locks: Object.fromEntries(
      Object.entries(domain.locks).map(([name, { acquisitions, held }]) => [
        name,
        { acquisitions, heldNs: held },
      ]),
    ),
    barriers: domain.barriers,
    queues: domain.queues,
    sources: domain.sources,
    vcpus: domain.vcpus.map(({ running, runnable, halted, offline, ticks }) => ({
      runningNs: running,
      runnableNs: runnable,
      haltedNs: halted,
      offlineNs: offline,
      ...(ticks !== undefined && { ticks }),
    })),
    threads: domain.tasks.map(({ marks, causes }) => ({ marks, causesNs: causes })),
  };
}

function sum<Item>(items: readonly Item[], value: (item: Item) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
