/**
 * One QEMU process: its monitor, its threads and its guest. What QMP said is kept and asked for again only when an
 * event or the list of threads shows that it may have changed; all else is read from /proc at each observation, so
 * that a monitor that hangs delays nothing.
 */
import type { DomainSnapshot, Vcpu } from "../../core/model.ts";
import type { DomainId, Milliseconds, PcpuId, VcpuIndex } from "../../core/units.ts";
import type { GuestChannel } from "../guest/guest_channel.ts";
import { createQemuGuestAgent } from "../guest/qemu_guest_agent.ts";
import { createVbalAgentChannel, type VbalAgentPace } from "../guest/vbal_agent_channel.ts";
import { type KeptConnection, keepConnected } from "../keep_connected.ts";
import { linuxAffinity } from "../linux/affinity.ts";
import {
  processOf,
  type ThreadState,
  threadState,
  threadsOf,
  type WatchedThread,
  watchThread,
} from "../linux/threads.ts";
import { CommandError, type DomainFinding, type DomainUsage, type HypervisorChange } from "../port.ts";
import type { Timers } from "../timers.ts";
import type { DomainSource } from "./domain_sources.ts";
import { type CpuInfo, queryCpusFast, queryName, queryStatus } from "./qmp_commands.ts";
import { connectQmp, type QmpConnection, type QmpEvent } from "./qmp_connection.ts";

export interface QmpDomain {
  readonly source: DomainSource;
  /** `null` until QEMU was reached for the first time, and after its process ended. */
  id(): DomainId | null;
  /** `null` when the process is not there. Asks QMP, within the deadline, only where something has changed. */
  observe(deadline: Milliseconds): Promise<DomainObservation | null>;
  /** The host threads that run the vCPUs now. Rejects with a `CommandError` when there is no telling. */
  vcpuThreads(deadline: Milliseconds): Promise<ReadonlyMap<VcpuIndex, number>>;
  /** The process's other threads. */
  emulatorThreads(deadline: Milliseconds): Promise<readonly number[]>;
  /** Whether the guest can answer at all. */
  isPaused(): boolean;
  /** vbal's own agent first; empty when the config names no channel. */
  channels(): readonly GuestChannel[];
  problems(): readonly string[];
  /** Resolves when the monitor has been tried once, with or without success. */
  readonly tried: Promise<void>;
  /** Looks whether the process is still there; after a change in the directory, tries the monitor at once. */
  look(why: "changed" | "rescanned"): void;
  close(): void;
}

export interface DomainObservation {
  readonly snapshot: DomainSnapshot;
  readonly usage: DomainUsage;
  readonly preflight: readonly DomainFinding[];
}

export interface QmpDomainOptions {
  readonly source: DomainSource;
  readonly agent: VbalAgentPace;
  readonly timers: Timers;
  readonly onChange: (change: HypervisorChange) => void;
  /** The process ended, or was replaced: commands on this domain are void. */
  readonly onGone: (domain: DomainId) => void;
}

/** What is known of a running QEMU. */
interface Process {
  readonly id: DomainId;
  readonly pid: number;
  readonly startTime: string;
  cpus: readonly CpuInfo[];
  /** All that there were when `cpus` was read, ascending. */
  threads: readonly number[];
  /** Those of them that the kernel will not let us pin. */
  readonly unpinnable: Set<number>;
  /** The vCPUs' threads with their open files, by thread. */
  readonly watched: Map<number, WatchedThread>;
  running: boolean;
  stale: boolean;
}

/** QMP answers within a millisecond when QEMU is well. */
const QMP_DEADLINE_MS: Milliseconds = 2_000;
/** An observation waits no longer for one monitor: what was known before is good enough until the next one. */
const OBSERVE_PATIENCE_MS: Milliseconds = 250;
/** More cores per die than any x86 has: makes one core number out of die and core. */
const CORES_PER_DIE_MAX = 4_096;

export function createQmpDomain(options: QmpDomainOptions): QmpDomain {
  const { source, timers, onChange, onGone } = options;
  const channels: GuestChannel[] = [];
  let process: Process | null = null;
  let qmp: QmpConnection | null = null;
  let connectionProblem: string | null = null;
  let garbageProblem: string | null = null;
  let refreshProblem: string | null = null;
  let refreshing: Promise<void> | null = null;
  let haveTried: () => void = () => undefined;
  const tried = new Promise<void>((resolve) => {
    haveTried = resolve;
  });
  let closed = false;

  const kept: KeptConnection = keepConnected({
    timers,
    async connect() {
      const connection = await connectQmp({
        path: source.qmp,
        deadline: QMP_DEADLINE_MS,
        timers,
        onEvent: heed,
        onGarbage: (message) => {
          garbageProblem = `${message}; check that it is a QMP socket of QEMU`;
        },
      });
      try {
        await meet(connection);
      } catch (error) {
        connection.close();
        throw error;
      }
      if (closed) connection.close();
      connectionProblem = null;
      qmp = connection;
      haveTried();
      return connection;
    },
    onFailure(error) {
      qmp = null;
      connectionProblem = `${error.message}${adviceFor(error)}`;
      haveTried();
      leaveIfDead();
    },
  });

  /** A new connection: to the process that we know, or to another. */
  async function meet(connection: QmpConnection): Promise<void> {
    const [status, cpus, name] = await Promise.all([
      queryStatus(connection, QMP_DEADLINE_MS),
      queryCpusFast(connection, QMP_DEADLINE_MS),
      queryName(connection, QMP_DEADLINE_MS),
    ]);
    const pid = cpus[0] === undefined ? null : processOf(cpus[0]["thread-id"]);
    const state = pid === null ? null : threadState(pid, pid);
    if (pid === null || state === null) {
      throw new Error(
        `The threads of the QEMU at ${source.qmp} are not on this host; is it in another PID namespace?`,
      );
    }
    if (closed) return;
    const fresh = { cpus, threads: threadsOf(pid), running: status.running, stale: false };
    if (process !== null && process.pid === pid && process.startTime === state.startTime) {
      Object.assign(process, fresh);
      unwatch(process, cpus);
      return;
    }
    leave();
    const id = source.name ?? name ?? baseName(source.qmp);
    process = {
      id,
      pid,
      startTime: state.startTime,
      unpinnable: new Set(),
      watched: new Map(),
      ...fresh,
    };
    openChannels(id);
    onChange({ kind: "domain-arrived", domain: id });
  }

  function openChannels(id: DomainId): void {
    const heard = () => onChange({ kind: "guest-reported", domain: id });
    const agent =
      source.agent === null
        ? null
        : createVbalAgentChannel({ ...options.agent, path: source.agent, timers, onChange: heard });
    if (agent !== null) channels.push(agent);
    if (source.qga !== null) {
      const isNeeded = () => agent === null || agent.word() === null;
      channels.push(createQemuGuestAgent({ path: source.qga, timers, isNeeded, onChange: heard }));
    }
  }

  /** The process has ended: forget it. */
  function leave(): void {
    for (const channel of channels.splice(0)) channel.close();
    if (process === null) return;
    const { id } = process;
    unwatch(process, []);
    process = null;
    onGone(id);
    onChange({ kind: "domain-departed", domain: id });
  }
  function leaveIfDead(): void {
    if (process !== null && aliveState(process) === null) leave();
  }

  function heed({ event }: QmpEvent): void {
    if (process === null) return;
    const { id } = process;
    switch (event) {
      case "RESET":
        process.stale = true;
        for (const channel of channels) channel.forget();
        onChange({ kind: "domain-reset", domain: id });
        break;
      case "STOP":
      case "SHUTDOWN":
        process.running = false;
        onChange({ kind: "domain-state", domain: id });
        break;
      case "RESUME":
        process.running = true;
        onChange({ kind: "domain-state", domain: id });
        break;
      case "DEVICE_DELETED":
      case "ACPI_DEVICE_OST":
        process.stale = true;
        onChange({ kind: "domain-state", domain: id });
        break;
      case "VSERPORT_CHANGE":
        for (const channel of channels) channel.greet();
        break;
      default:
        // QEMU has many events; the others say nothing about vCPUs.
        break;
    }
  }

  /** Reads the vCPUs again if they may have changed (pitfall 23); one question at a time. */
  function refresh(known: Process): Promise<void> {
    const threads = threadsOf(known.pid);
    if (!known.stale && String(known.threads) === String(threads)) return Promise.resolve();
    refreshing ??= readVcpus(known, threads).finally(() => {
      refreshing = null;
    });
    return refreshing;
  }
  async function readVcpus(known: Process, threads: readonly number[]): Promise<void> {
    if (qmp !== null) {
      // An event that comes after the question makes its answer stale again.
      known.stale = false;
      try {
        known.cpus = await queryCpusFast(qmp, QMP_DEADLINE_MS);
        known.threads = threads;
        unwatch(known, known.cpus);
      } catch (error) {
        known.stale = true;
        throw error;
      }
    } else if (!known.stale && known.cpus.every((cpu) => threads.includes(cpu["thread-id"]))) {
      // Workers come and go; the vCPUs that we know are there.
      known.threads = threads;
    } else {
      throw new CommandError("connection-lost", connectionProblem ?? `${source.qmp} is not connected`);
    }
  }
  /** The question goes on when nobody waits for it any longer. */
  function withinDeadline(question: Promise<void>, deadline: Milliseconds): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = timers.after(deadline, () =>
        reject(
          new CommandError("timed-out", `${source.qmp} did not say which vCPUs it has within ${deadline} ms`),
        ),
      );
      question
        .then(resolve, reject)
        .finally(cancel)
        .catch(() => undefined);
    });
  }
  async function demand(deadline: Milliseconds): Promise<Process> {
    leaveIfDead();
    const known = process;
    if (known === null) throw new CommandError("no-such-domain", `The QEMU at ${source.qmp} has ended`);
    await withinDeadline(refresh(known), deadline);
    return known;
  }

  return {
    source,
    id: () => process?.id ?? null,
    async observe(deadline) {
      const known = process;
      if (known === null) return null;
      try {
        await withinDeadline(refresh(known), Math.min(deadline, OBSERVE_PATIENCE_MS));
        refreshProblem = null;
      } catch (error) {
        refreshProblem = error instanceof Error ? error.message : String(error);
      }
      const state = aliveState(known);
      if (process !== known) return null;
      if (state === null) {
        leave();
        return null;
      }
      return look(known, { state, channels });
    },
    async vcpuThreads(deadline) {
      const known = await demand(deadline);
      return new Map(known.cpus.map((cpu) => [cpu["cpu-index"], cpu["thread-id"]]));
    },
    async emulatorThreads(deadline) {
      const known = await demand(deadline);
      for (const thread of emulatorThreadsOf(known)) {
        if (threadState(known.pid, thread)?.pinnable === false) known.unpinnable.add(thread);
      }
      return emulatorThreadsOf(known);
    },
    isPaused: () => process !== null && !runs(process, aliveState(process)),
    channels: () => channels,
    problems() {
      const problems = channels.flatMap((channel) => channel.problems());
      if (connectionProblem !== null) problems.push(connectionProblem);
      else if (refreshProblem !== null) problems.push(refreshProblem);
      if (garbageProblem !== null) problems.push(garbageProblem);
      if (process !== null && sharesThreads(process)) {
        problems.push(
          `QEMU runs all vCPUs of ${process.id} in one thread, so they cannot be placed apart: start it with -accel tcg,thread=multi`,
        );
      }
      return problems;
    },
    tried,
    look(why) {
      leaveIfDead();
      if (why === "changed" && qmp === null) kept.retryNow();
    },
    close() {
      closed = true;
      haveTried();
      kept.stop();
      qmp?.close();
      for (const channel of channels.splice(0)) channel.close();
      if (process !== null) unwatch(process, []);
      process = null;
    },
  };
}

/** Everything that /proc and the kept answers say of a live process. */
function look(
  known: Process,
  now: { readonly state: ThreadState; readonly channels: readonly GuestChannel[] },
): DomainObservation {
  const { state, channels } = now;
  const word = channels.map((channel) => channel.word()).find((said) => said !== null) ?? null;
  const cpus = [...known.cpus].sort((a, b) => a["cpu-index"] - b["cpu-index"]);
  return {
    snapshot: {
      id: known.id,
      incarnation: `${known.pid}@${known.startTime}`,
      state: runs(known, state) ? "running" : "paused",
      vcpus: cpus.map(vcpuOf),
      emulatorPins: unionOf(emulatorThreadsOf(known).map((thread) => linuxAffinity.get(thread))),
      guest: word?.report ?? null,
    },
    usage: {
      domain: known.id,
      vcpus: cpus.map((cpu) => {
        const thread = watchedThread(known, cpu["thread-id"]);
        const times = thread.times();
        return {
          index: cpu["cpu-index"],
          run: times?.run ?? null,
          wait: times?.wait ?? null,
          steal: word?.steal.get(cpu["cpu-index"]) ?? null,
          lastPcpu: thread.state()?.lastPcpu ?? null,
        };
      }),
    },
    preflight: (word?.preflight ?? []).map((finding) => ({ domain: known.id, ...finding })),
  };
}

function watchedThread(known: Process, thread: number): WatchedThread {
  let watched = known.watched.get(thread);
  if (watched === undefined) {
    watched = watchThread(known.pid, thread);
    known.watched.set(thread, watched);
  }
  return watched;
}

/** Closes the files of the threads that are no vCPUs (any more). */
function unwatch(known: Process, cpus: readonly CpuInfo[]): void {
  for (const [thread, watched] of known.watched) {
    if (cpus.some((cpu) => cpu["thread-id"] === thread)) continue;
    watched.close();
    known.watched.delete(thread);
  }
}

function vcpuOf(cpu: CpuInfo): Vcpu {
  const { props } = cpu;
  return {
    index: cpu["cpu-index"],
    pins: linuxAffinity.get(cpu["thread-id"]),
    guestSocket: props["socket-id"] ?? cpu["cpu-index"],
    guestCore: (props["die-id"] ?? 0) * CORES_PER_DIE_MAX + (props["core-id"] ?? 0),
    guestThread: props["thread-id"] ?? 0,
    guestNode: props["node-id"] ?? 0,
  };
}

/** `null` for a process that ended, or whose number now belongs to another. */
function aliveState(known: Process): ThreadState | null {
  const state = threadState(known.pid, known.pid);
  return state !== null && state.startTime === known.startTime && !/[ZX]/.test(state.letter) ? state : null;
}

/** A process stopped by a signal runs no guest, whatever QMP said last. */
function runs(known: Process, state: ThreadState | null): boolean {
  return known.running && state !== null && !/[Tt]/.test(state.letter);
}

function emulatorThreadsOf(known: Process): number[] {
  const vcpus = new Set(known.cpus.map((cpu) => cpu["thread-id"]));
  return known.threads.filter((thread) => !vcpus.has(thread) && !known.unpinnable.has(thread));
}

function sharesThreads(known: Process): boolean {
  return new Set(known.cpus.map((cpu) => cpu["thread-id"])).size < known.cpus.length;
}

/** Where at least one of the threads may run; `null` when none of them could be read. */
function unionOf(pins: readonly (readonly PcpuId[] | null)[]): PcpuId[] | null {
  const read = pins.filter((one) => one !== null);
  return read.length === 0 ? null : [...new Set(read.flat())].sort((a, b) => a - b);
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1).replace(/\.qmp$/, "");
}

function adviceFor(error: Error): string {
  switch ((error as NodeJS.ErrnoException).code) {
    case "ECONNREFUSED":
      return ": nobody listens there; its QEMU ended without removing the socket, so start it or remove the file";
    case "ENOENT":
      return ": start QEMU with -qmp unix:PATH,server=on,wait=off";
    case "EACCES":
      return ": run vbal as root, or as the user that runs QEMU";
    default:
      return "";
  }
}
