/**
 * The `Hypervisor` port for QEMU guests on Linux, through their QMP sockets, /proc and the scheduler's affinity
 * calls. Each domain has its own connections, so that whatever goes wrong with one touches no other.
 */

import type { Pcpu } from "../../core/model.ts";
import type { DomainId, Milliseconds, PcpuId } from "../../core/units.ts";
import { createCommandQueue } from "../command_queue.ts";
import { askGuest } from "../guest/ask_guest.ts";
import type { VbalAgentPace } from "../guest/vbal_agent_channel.ts";
import { linuxAffinity } from "../linux/affinity.ts";
import { hostSysTree, hostTopologyStamp, readTopology } from "../linux/topology.ts";
import {
  CommandError,
  type Hypervisor,
  type HypervisorChange,
  type MonitorSettings,
  type Problem,
} from "../port.ts";
import { nodeTimers, type Timers } from "../timers.ts";
import { usablePins } from "../usable_pins.ts";
import { type DomainSource, type DomainSources, watchDomainSources } from "./domain_sources.ts";
import { createQmpDomain, type QmpDomain } from "./qmp_domain.ts";

export interface QmpAdapterOptions {
  /** A directory with NAME.qmp (and NAME.agent, NAME.qga) sockets. */
  readonly directory?: string;
  /** Sockets elsewhere. */
  readonly domains?: readonly {
    readonly name?: DomainId;
    readonly qmp: string;
    readonly agent?: string;
    readonly qga?: string;
  }[];
  /** For all guests with vbal's own agent. */
  readonly agent?: VbalAgentPace;
  /** How often it is looked at whether vCPUs spin; absent: never. */
  readonly spinLooksMs?: Milliseconds;
  readonly timers?: Timers;
}

/** New emulator threads may appear while we pin the old ones, with the old pins; this many rounds catch them. */
const PIN_ROUNDS_MAX = 5;

export function createQmpAdapter(options: QmpAdapterOptions): Hypervisor {
  const { timers = nodeTimers, agent = {} } = options;
  const queue = createCommandQueue(timers);
  /** By the path of the monitor. */
  const domains = new Map<string, QmpDomain>();
  const monitors = new Map<DomainId, MonitorSettings>();
  let sources: DomainSources | null = null;
  let onChange: (change: HypervisorChange) => void = () => undefined;
  let topology: { stamp: string; pcpus: Pcpu[] } | null = null;

  /** Has a `QmpDomain` for each source; `changed` when something in the directory did. */
  function reconcileSources(why: "changed" | "rescanned"): void {
    const wanted = new Map((sources?.list() ?? []).map((source) => [source.qmp, source]));
    for (const [path, domain] of domains) {
      const source = wanted.get(path);
      // A socket that was removed may belong to a QEMU that still runs: it stays as long as that does.
      if (source === undefined ? domain.id() === null : !sameChannels(source, domain.source)) {
        domain.close();
        domains.delete(path);
      } else {
        domain.look(why);
      }
    }
    for (const [path, source] of wanted) {
      if (domains.has(path)) continue;
      domains.set(
        path,
        createQmpDomain({
          source,
          agent,
          timers,
          hostNodes: () => [...new Set(readPcpus().map((pcpu) => pcpu.node))],
          monitorOf: (id) => monitors.get(id) ?? null,
          spinLooksMs: options.spinLooksMs ?? null,
          onChange: (change) => onChange(change),
          onGone,
        }),
      );
    }
    readPcpus();
  }
  function onGone(id: DomainId): void {
    queue.abandon(id, new CommandError("no-such-domain", `The QEMU of ${id} ended during the command`));
  }

  function readPcpus(): Pcpu[] {
    const stamp = hostTopologyStamp();
    if (topology?.stamp !== stamp) {
      const first = topology === null;
      topology = { stamp, pcpus: readTopology(hostSysTree) };
      if (!first) onChange({ kind: "host-topology" });
    }
    return topology.pcpus;
  }

  /** The domains that are there, ordered by id; of two with one name only the first counts. */
  function present(): { readonly byId: ReadonlyMap<DomainId, QmpDomain>; readonly doubles: Problem[] } {
    const byId = new Map<DomainId, QmpDomain>();
    const doubles: Problem[] = [];
    for (const domain of [...domains.values()].sort((a, b) => (a.source.qmp < b.source.qmp ? -1 : 1))) {
      const id = domain.id();
      const first = id === null ? undefined : byId.get(id);
      if (id === null) continue;
      if (first === undefined) byId.set(id, domain);
      else {
        const message = `${domain.source.qmp} and ${first.source.qmp} are both named ${id}; the second is ignored, rename it`;
        doubles.push({ domain: id, message });
      }
    }
    return { byId: new Map([...byId].sort(([a], [b]) => (a < b ? -1 : 1))), doubles };
  }
  function demandDomain(id: DomainId): QmpDomain {
    const domain = present().byId.get(id);
    if (domain === undefined) {
      throw new CommandError("no-such-domain", `Domain ${id} is not on this host; observe again`);
    }
    return domain;
  }
  /** Whoever migrates it may read and restore its pins too (pitfall 19). */
  function demandUnmoved(domain: QmpDomain): QmpDomain {
    if (!domain.isMigrating()) return domain;
    throw new CommandError(
      "paused",
      `Domain ${domain.id()} is being migrated; its pins stay until that is over`,
    );
  }

  return {
    kind: "qmp",
    async start(listener) {
      onChange = listener;
      sources = watchDomainSources({
        directory: options.directory ?? null,
        listed: (options.domains ?? []).map(({ name, qmp, agent, qga }) => ({
          name: name ?? null,
          qmp,
          agent: agent ?? null,
          qga: qga ?? null,
        })),
        timers,
        onScan: reconcileSources,
      });
      reconcileSources("rescanned");
      await Promise.all([...domains.values()].map((domain) => domain.tried));
    },
    async observe(deadline) {
      const { byId, doubles } = present();
      const observed = await Promise.all([...byId.values()].map((domain) => domain.observe(deadline)));
      const there = observed.filter((one) => one !== null);
      const problems: Problem[] = [...doubles];
      const sourceProblem = sources?.problem() ?? null;
      if (sourceProblem !== null) problems.push({ domain: null, message: sourceProblem });
      for (const domain of domains.values()) {
        const id = domain.id() ?? domain.source.name;
        for (const message of domain.problems()) problems.push({ domain: id, message });
      }
      return {
        snapshot: { pcpus: readPcpus(), domains: there.map((one) => one.snapshot) },
        usage: there.map((one) => one.usage),
        preflight: there.flatMap((one) => one.preflight),
        load: there.flatMap((one) => one.load ?? []),
        problems,
      };
    },
    pinVcpu: (id, index, pcpus, deadline) =>
      queue.run({ domain: id, deadline, what: `Pinning vCPU ${index} of ${id}` }, async () => {
        const threads = await demandUnmoved(demandDomain(id)).vcpuThreads(deadline);
        const thread = threads.get(index);
        if (thread === undefined) throw noSuchVcpu(id, [index], [...threads.keys()]);
        if (!pinThread(thread, usablePins(pcpus, readPcpus()), `vCPU ${index} of ${id}`)) {
          throw new CommandError(
            "no-such-vcpu",
            `vCPU ${index} of ${id} was unplugged meanwhile; observe again`,
          );
        }
      }),
    pinEmulator: (id, pcpus, deadline) =>
      queue.run({ domain: id, deadline, what: `Pinning the emulator of ${id}` }, async () => {
        const domain = demandUnmoved(demandDomain(id));
        const wanted = usablePins(pcpus, readPcpus());
        const done = new Set<number>();
        for (let round = 0; round < PIN_ROUNDS_MAX; round++) {
          const left = (await domain.emulatorThreads(deadline)).filter((thread) => !done.has(thread));
          if (left.length === 0) return;
          for (const thread of left) {
            // One that ended meanwhile needs no pins.
            pinThread(thread, wanted, `thread ${thread} of the emulator of ${id}`);
            done.add(thread);
          }
        }
      }),
    setOnline(id, online, mechanism, deadline) {
      const what = `Asking ${id} to use vCPUs ${online.join(",")}`;
      const late = () => {
        const channels = present().byId.get(id)?.channels() ?? [];
        return channels.some((channel) => channel.word() !== null) ? null : silent(what, deadline);
      };
      return queue.run({ domain: id, deadline, what, late }, async (signal) => {
        const domain = demandDomain(id);
        const plugged = [...(await domain.vcpuThreads(deadline)).keys()];
        const unknown = online.filter((index) => !plugged.includes(index));
        if (unknown.length > 0) throw noSuchVcpu(id, unknown, plugged);
        if (!online.includes(0)) {
          throw new CommandError("not-applied", `vCPU 0 of ${id} is never taken: ask with it in the set`);
        }
        if (domain.isPaused()) {
          throw new CommandError(
            "paused",
            `Domain ${id} is paused or being migrated; its guest is asked nothing until that is over`,
          );
        }
        return askGuest({ domain: id, channels: domain.channels(), online, mechanism, timers, signal });
      });
    },
    plugVcpu(id, slot, deadline) {
      const { guestSocket, guestCore, guestThread } = slot;
      const what = `Plugging a vCPU into ${id} at socket ${guestSocket}, core ${guestCore}, thread ${guestThread}`;
      return queue.run({ domain: id, deadline, what }, (signal) => demandDomain(id).plug(slot, signal));
    },
    unplugVcpu: (id, index, deadline) =>
      queue.run({ domain: id, deadline, what: `Unplugging vCPU ${index} of ${id}` }, (signal) =>
        demandDomain(id).unplug(index, signal),
      ),
    answer(id, request, answer) {
      for (const channel of present().byId.get(id)?.channels() ?? []) channel.answer(request, answer);
    },
    setMonitor(id, settings) {
      monitors.set(id, settings);
      for (const channel of present().byId.get(id)?.channels() ?? []) channel.setMonitor(settings);
    },
    async close() {
      sources?.stop();
      sources = null;
      for (const domain of domains.values()) domain.close();
      domains.clear();
      onChange = () => undefined;
    },
  };
}

/** Sets and reads back; `false` when the thread is gone. */
function pinThread(thread: number, pcpus: readonly PcpuId[], what: string): boolean {
  const outcome = linuxAffinity.set(thread, pcpus);
  switch (outcome) {
    case "no-such-thread":
      return false;
    case "not-permitted":
      throw new CommandError(
        "not-applied",
        `Not permitted to pin ${what}: run vbal as root or as QEMU's user`,
      );
    case "no-usable-pcpu":
      throw new CommandError(
        "not-applied",
        `The kernel lets ${what} run on none of pCPUs ${pcpus.join(",")}: its cpuset does not hold them`,
      );
    case "done": {
      const real = linuxAffinity.get(thread);
      if (real === null) return false;
      if (String(real) === String(pcpus)) return true;
      throw new CommandError(
        "not-applied",
        `The kernel pinned ${what} to ${real.join(",")} instead of ${pcpus.join(",")}: its cpuset holds no others`,
      );
    }
  }
}

function noSuchVcpu(id: DomainId, asked: readonly number[], plugged: readonly number[]): CommandError {
  return new CommandError(
    "no-such-vcpu",
    `Domain ${id} has vCPUs ${[...plugged].sort((a, b) => a - b).join(",")}, not ${asked.join(",")}; observe again`,
  );
}

function silent(what: string, deadline: Milliseconds): CommandError {
  return new CommandError(
    "guest-silent",
    `${what}: its guest said nothing for ${deadline} ms; start its agent`,
  );
}

function sameChannels(a: DomainSource, b: DomainSource): boolean {
  return a.name === b.name && a.agent === b.agent && a.qga === b.qga;
}
