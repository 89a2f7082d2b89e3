/**
 * One QEMU process: its monitor, its threads and its guest. What QMP said is kept and asked for again only when an
 * event or the list of threads shows that it may have changed; all else is read from /proc at each observation, so
 * that a monitor that hangs delays nothing.
 */
import type { VcpuSlot } from "../../core/model.ts";
import type { DomainId, Milliseconds, NodeId, VcpuIndex } from "../../core/units.ts";
import type { GuestChannel } from "../guest/guest_channel.ts";
import { createQemuGuestAgent } from "../guest/qemu_guest_agent.ts";
import { createVbalAgentChannel, type VbalAgentPace } from "../guest/vbal_agent_channel.ts";
import { type KeptConnection, keepConnected } from "../keep_connected.ts";
import { processOf, threadState, threadsOf, watchThread } from "../linux/threads.ts";
import { CommandError, type HypervisorChange, type MonitorSettings } from "../port.ts";
import type { Timers } from "../timers.ts";
import type { DomainSource } from "./domain_sources.ts";
import { guestMemory, readMemoryFiles } from "./guest_memory.ts";
import { createMigrationWatch } from "./migration_watch.ts";
import { targetInGuest } from "./node_numbers.ts";
import { queryMemdev, queryName, queryStatus } from "./qmp_commands.ts";
import { connectQmp, type QmpConnection, type QmpEvent } from "./qmp_connection.ts";
import {
  aliveState,
  cpusByNumber,
  type DomainObservation,
  emulatorThreadsOf,
  look,
  lookAtProcess,
  type QmpProcess,
  runs,
  sharesThreads,
  unwatch,
  vcpusInUse,
  wordOf,
} from "./qmp_process.ts";
import { createSpinLooks } from "./spin_looks.ts";
import { readVcpuFacts } from "./vcpu_facts.ts";
import { createVcpuHotplug } from "./vcpu_hotplug.ts";
import { numbersAfterBoot } from "./vcpu_numbers.ts";

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
  plug(slot: VcpuSlot, signal: AbortSignal): Promise<VcpuIndex>;
  unplug(vcpu: VcpuIndex, signal: AbortSignal): Promise<void>;
  /** Whether the guest can answer at all, and may be asked. */
  isPaused(): boolean;
  isMigrating(): boolean;
  /** vbal's own agent first; empty when the config names no channel. */
  channels(): readonly GuestChannel[];
  problems(): readonly string[];
  /** Resolves when the monitor has been tried once, with or without success. */
  readonly tried: Promise<void>;
  /** Looks whether the process is still there; after a change in the directory, tries the monitor at once. */
  look(why: "changed" | "rescanned"): void;
  close(): void;
}

export interface QmpDomainOptions {
  readonly source: DomainSource;
  readonly agent: VbalAgentPace;
  readonly timers: Timers;
  /** The host's own nodes. */
  readonly hostNodes: () => readonly NodeId[];
  /** How the load monitor of the guest with this name is to work, where somebody said so. */
  readonly monitorOf: (domain: DomainId) => MonitorSettings | null;
  readonly onChange: (change: HypervisorChange) => void;
  /** How often it is looked at whether its vCPUs spin; `null`: never. */
  readonly spinLooksMs: Milliseconds | null;
  /** The process ended, or was replaced: commands on this domain are void. */
  readonly onGone: (domain: DomainId) => void;
}

/** QMP answers within a millisecond when QEMU is well. */
const QMP_DEADLINE_MS: Milliseconds = 2_000;
/** An observation waits no longer for one monitor: what was known before is good enough until the next one. */
const OBSERVE_PATIENCE_MS: Milliseconds = 250;
/** Memory that is bound to no node moves slowly, and counting its pages costs the guest a pause. */
const MEMORY_EVERY_MS: Milliseconds = 300_000;

export function createQmpDomain(options: QmpDomainOptions): QmpDomain {
  const { source, timers, onChange, onGone } = options;
  const channels: GuestChannel[] = [];
  let process: QmpProcess | null = null;
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
  let cancelMemory: () => void = () => undefined;

  const hotplug = createVcpuHotplug({
    timers,
    channels,
    demand: () => demand(QMP_DEADLINE_MS),
    known: () => process,
    isPaused,
    monitor() {
      if (qmp !== null) return qmp;
      throw new CommandError("connection-lost", connectionProblem ?? `${source.qmp} is not connected`);
    },
  });

  const migration = createMigrationWatch(timers, () => {
    if (process === null) return;
    process.migrating = migration.isUnderWay();
    onChange({ kind: "domain-state", domain: process.id });
  });

  const spinLooks = createSpinLooks({ timers, everyMs: options.spinLooksMs, where: source.qmp }, () => {
    const vcpus = process === null ? null : vcpusInUse(process, channels);
    return qmp === null || vcpus === null ? null : { monitor: qmp, vcpus };
  });

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
    const [status, vcpus, name] = await Promise.all([
      queryStatus(connection, QMP_DEADLINE_MS),
      readVcpuFacts(connection, new Set(), QMP_DEADLINE_MS),
      queryName(connection, QMP_DEADLINE_MS),
    ]);
    const [first] = vcpus.cpus;
    const pid = first === undefined ? null : processOf(first["thread-id"]);
    const state = pid === null ? null : threadState(pid, pid);
    if (pid === null || state === null) {
      throw new Error(
        `The threads of the QEMU at ${source.qmp} are not on this host; is it in another PID namespace?`,
      );
    }
    if (closed) return;
    const fresh = { vcpus, threads: threadsOf(pid), running: status.running, stale: false };
    if (process !== null && process.pid === pid && process.startTime === state.startTime) {
      Object.assign(process, fresh);
      unwatch(process, vcpus.cpus);
      await migration.meet(connection);
      return;
    }
    leave();
    await migration.meet(connection);
    if (closed) return;
    const id = source.name ?? name ?? baseName(source.qmp);
    process = {
      id,
      pid,
      startTime: state.startTime,
      itself: watchThread(pid, pid),
      state,
      times: new Map(),
      unpinnable: new Set(),
      watched: new Map(),
      numbers: new Map(),
      numbered: null,
      memory: [],
      migrating: migration.isUnderWay(),
      ...fresh,
    };
    await readMemory(process, connection);
    openChannels(id);
    spinLooks.begin();
    onChange({ kind: "domain-arrived", domain: id });
  }

  /** What could not be read is left out, and looked for again later. */
  async function readMemory(known: QmpProcess, connection: QmpConnection): Promise<void> {
    const hostNodes = options.hostNodes();
    const guestNodes = [...known.vcpus.nodes.keys()].sort((a, b) => a - b);
    if (hostNodes.length === 1) {
      known.memory = guestMemory({ hostNodes, guestNodes, backends: [], commandLine: [], numaMaps: null });
      return;
    }
    const [backends, files] = await Promise.all([
      queryMemdev(connection, QMP_DEADLINE_MS).catch(() => []),
      readMemoryFiles(known.pid),
    ]);
    known.memory = guestMemory({ hostNodes, guestNodes, backends, ...files });
    cancelMemory();
    cancelMemory = timers.after(MEMORY_EVERY_MS, () => {
      if (process === known && qmp !== null) void readMemory(known, qmp);
    });
  }

  function openChannels(id: DomainId): void {
    const heard = () => {
      hotplug.stir();
      onChange({ kind: "guest-reported", domain: id });
    };
    if (source.agent !== null) {
      channels.push(
        createVbalAgentChannel({
          ...options.agent,
          path: source.agent,
          timers,
          onChange: heard,
          onRequest(asked) {
            const target = targetInGuest(process?.vcpus.nodes ?? new Map(), asked.target);
            onChange({ kind: "guest-asked", request: { ...asked, target, domain: id } });
          },
        }),
      );
    }
    const [agent] = channels;
    if (source.qga !== null) {
      const isNeeded = () => agent === undefined || agent.word() === null;
      channels.push(createQemuGuestAgent({ path: source.qga, timers, isNeeded, onChange: heard }));
    }
    const monitor = options.monitorOf(id);
    if (monitor !== null) for (const channel of channels) channel.setMonitor(monitor);
  }

  /** The process has ended: forget it. */
  function leave(): void {
    for (const channel of channels.splice(0)) channel.close();
    if (process === null) return;
    const { id } = process;
    cancelMemory();
    spinLooks.end();
    migration.forget();
    unwatch(process, []);
    process.itself.close();
    process = null;
    onGone(id);
    onChange({ kind: "domain-departed", domain: id });
  }
  function leaveIfDead(): void {
    if (process !== null && aliveState(process) === null) leave();
  }

  function heed(said: QmpEvent): void {
    if (process === null) return;
    const { id } = process;
    switch (said.event) {
      case "RESET":
        process.stale = true;
        process.numbers = numbersAfterBoot(process.vcpus.cpus);
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
    migration.heed(said);
    hotplug.heed(said);
  }
  /** One that has ended is not: who asks it for something is told that it is gone. */
  function isPaused(): boolean {
    const state = process === null ? null : aliveState(process);
    return process !== null && state !== null && !runs(process, state);
  }

  /** Reads the vCPUs again if they may have changed (pitfall 23), `null` if not; one question at a time. */
  function refresh(known: QmpProcess): Promise<void> | null {
    const threads = threadsOf(known.pid);
    if (!known.stale && String(known.threads) === String(threads)) return null;
    refreshing ??= readVcpus(known, threads).finally(() => {
      refreshing = null;
    });
    return refreshing;
  }
  async function readVcpus(known: QmpProcess, threads: readonly number[]): Promise<void> {
    if (qmp !== null) {
      // An event that comes after the question makes its answer stale again.
      known.stale = false;
      try {
        known.vcpus = await readVcpuFacts(qmp, known.vcpus.hotplugged, QMP_DEADLINE_MS);
        known.threads = threads;
        unwatch(known, known.vcpus.cpus);
      } catch (error) {
        known.stale = true;
        throw error;
      }
    } else if (!known.stale && known.vcpus.cpus.every((cpu) => threads.includes(cpu["thread-id"]))) {
      // Workers come and go; the vCPUs that we know are there.
      known.threads = threads;
    } else {
      throw new CommandError("connection-lost", connectionProblem ?? `${source.qmp} is not connected`);
    }
  }
  /** The question goes on when nobody waits for it any longer. */
  async function refreshed(known: QmpProcess, deadline: Milliseconds): Promise<void> {
    const question = refresh(known);
    if (question === null) return;
    await new Promise<void>((resolve, reject) => {
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
  async function demand(deadline: Milliseconds): Promise<QmpProcess> {
    leaveIfDead();
    const known = process;
    if (known === null) throw new CommandError("no-such-domain", `The QEMU at ${source.qmp} has ended`);
    await refreshed(known, deadline);
    return known;
  }

  return {
    source,
    id: () => process?.id ?? null,
    async observe(deadline) {
      const known = process;
      if (known === null) return null;
      try {
        await refreshed(known, Math.min(deadline, OBSERVE_PATIENCE_MS));
        refreshProblem = null;
      } catch (error) {
        refreshProblem = error instanceof Error ? error.message : String(error);
      }
      if (process !== known) return null;
      if (!lookAtProcess(known)) {
        leave();
        return null;
      }
      return look(known, channels, spinLooks.spinning());
    },
    async vcpuThreads(deadline) {
      const known = await demand(deadline);
      return new Map(
        cpusByNumber(known, wordOf(channels)).map(([index, cpu]) => [index, cpu["thread-id"]] as const),
      );
    },
    async emulatorThreads(deadline) {
      const known = await demand(deadline);
      for (const thread of emulatorThreadsOf(known)) {
        if (threadState(known.pid, thread)?.pinnable === false) known.unpinnable.add(thread);
      }
      return emulatorThreadsOf(known);
    },
    plug: (slot, signal) => hotplug.plug(slot, signal),
    unplug: (vcpu, signal) => hotplug.unplug(vcpu, signal),
    isPaused,
    isMigrating: () => process?.migrating === true,
    channels: () => channels,
    problems() {
      const problems = [...channels.flatMap((channel) => channel.problems()), ...spinLooks.problems()];
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
      cancelMemory();
      spinLooks.end();
      migration.forget();
      for (const channel of channels.splice(0)) channel.close();
      if (process !== null) unwatch(process, []);
      process?.itself.close();
      process = null;
    },
  };
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
