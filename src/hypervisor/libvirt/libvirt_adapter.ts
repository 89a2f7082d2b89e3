/**
 * The `Hypervisor` port for the domains of a libvirt daemon. vCPUs and pins go through libvirt, so that its own view
 * stays true, and only ever to the running domain: persistent definitions are never changed. The guests are spoken to
 * through our agent's virtio-serial port, or the stock guest agent by way of libvirt.
 */

import type { Pcpu } from "../../core/model.ts";
import type { DomainId, Milliseconds } from "../../core/units.ts";
import { createCommandQueue } from "../command_queue.ts";
import { askGuest } from "../guest/ask_guest.ts";
import type { VbalAgentPace } from "../guest/vbal_agent_channel.ts";
import { type KeptConnection, keepConnected } from "../keep_connected.ts";
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
import { DEFAULT_SHARES_ELSEWHERE, defaultSharesHere } from "./default_shares.ts";
import { parseHostPcpus } from "./host_pcpus.ts";
import { withStats } from "./known_domain.ts";
import { type Ask, createLibvirtDomain, type DomainEvent, type LibvirtDomain } from "./libvirt_domain.ts";
import { connectLibvirt, type LibvirtLink } from "./libvirt_link.ts";
import type { LibvirtEvent } from "./libvirt_process.ts";
import { demandAtRest, demandVcpus, pinEmulator, pinVcpu, rethrow } from "./pin_domain.ts";

export interface LibvirtAdapterOptions {
  /** As for `virsh -c`: qemu:///system, qemu+ssh://host/system, ... */
  readonly uri: string;
  /** For all guests with vbal's own agent. */
  readonly agent?: VbalAgentPace;
  readonly timers?: Timers;
}

/** libvirt starts on demand on many hosts, and then looks at every QEMU binary first. */
const CONNECT_DEADLINE_MS: Milliseconds = 30_000;
const ASK_DEADLINE_MS: Milliseconds = 5_000;
/** So often all domains are listed, events or not: a lost event is no lost domain. */
const LIST_EVERY_MS: Milliseconds = 2_000;
/** The pCPUs of another host are asked for with one list in so many: they hardly ever change, and the answer is long. */
const LISTS_PER_CAPABILITIES = 15;

export function createLibvirtAdapter(options: LibvirtAdapterOptions): Hypervisor {
  const { uri, timers = nodeTimers, agent = {} } = options;
  const isLocal = isOnThisMachine(uri);
  const sharesDefault = isLocal ? defaultSharesHere() : DEFAULT_SHARES_ELSEWHERE;
  const queue = createCommandQueue(timers);
  /** By UUID. */
  const domains = new Map<string, LibvirtDomain>();
  const monitors = new Map<DomainId, MonitorSettings>();
  let link: LibvirtLink | null = null;
  let linkProblem: string | null = null;
  let listProblem: string | null = null;
  let kept: KeptConnection | null = null;
  let cancelList: () => void = () => undefined;
  let onChange: (change: HypervisorChange) => void = () => undefined;
  let topology: { stamp: string; pcpus: Pcpu[] } | null = null;
  let listsToCapabilities = 0;

  const ask: Ask = (name, deadline, ...args) =>
    link === null
      ? Promise.reject(new CommandError("connection-lost", linkProblem ?? `${uri} is not connected yet`))
      : link.call(name, deadline, ...args);

  async function connect(): Promise<LibvirtLink> {
    const connected = await connectLibvirt({ uri, deadline: CONNECT_DEADLINE_MS, timers, onEvent: heed });
    if (kept === null) {
      connected.close();
      return connected;
    }
    link = connected;
    linkProblem = null;
    for (const domain of domains.values()) {
      domain.doubt();
      // A stock agent, who is asked through libvirt, could not answer meanwhile, and is not asked again at once by itself.
      for (const channel of domain.channels()) channel.refresh();
    }
    await list();
    return connected;
  }

  /** Has a `LibvirtDomain` for each running domain; resolves when each has been asked about. */
  async function list(): Promise<void> {
    cancelList();
    try {
      if (!isLocal) await askHostPcpus();
      const listed = await ask("domains", ASK_DEADLINE_MS);
      listProblem = null;
      for (const key of listed) meet(key.name, key);
      for (const domain of domains.values()) {
        const isListed = listed.some(({ uuid, id }) => uuid === domain.key.uuid && id === domain.key.id);
        if (!isListed) domain.heed("stopped");
        else domain.doubt();
      }
      await Promise.all([...domains.values()].map((domain) => domain.tried));
    } catch (error) {
      listProblem = `The domains of ${uri} cannot be listed: ${messageOf(error)}`;
    }
    if (kept !== null && link !== null) cancelList = timers.after(LIST_EVERY_MS, () => void list());
  }
  function meet(name: DomainId, { uuid, id }: { readonly uuid: string; readonly id: number }): void {
    const old = domains.get(uuid);
    if (old?.key.id === id) return;
    old?.heed("stopped");
    const domain = createLibvirtDomain({
      key: { uuid, id },
      name,
      ask,
      isLocal,
      sharesDefault,
      agent,
      timers,
      monitor: () => monitors.get(name) ?? null,
      onChange: (change) => onChange(change),
      onGone() {
        if (domains.get(uuid) === domain) domains.delete(uuid);
        queue.abandon(name, new CommandError("no-such-domain", `Domain ${name} ended during the command`));
      },
    });
    domains.set(uuid, domain);
  }
  function heed({ kind, domain: key, name, detail, text }: LibvirtEvent): void {
    if (kind === "vcpu") {
      domains.get(key.uuid)?.heedKernel(text ?? "");
      return;
    }
    const event = kind === "lifecycle" ? LIFECYCLE[detail] : kind === "reboot" ? "reset" : OTHERS[kind];
    if (event === "started") meet(name, key);
    else if (event !== undefined) {
      const domain = domains.get(key.uuid);
      // The last event of a life already bears no number.
      if (domain !== undefined && (event === "stopped" || domain.key.id === key.id)) domain.heed(event);
    }
  }

  async function askHostPcpus(): Promise<void> {
    if (topology !== null && 0 < listsToCapabilities--) return;
    listsToCapabilities = LISTS_PER_CAPABILITIES;
    const pcpus = parseHostPcpus(await ask("capabilities", ASK_DEADLINE_MS));
    const stamp = JSON.stringify(pcpus);
    const changed = topology !== null && topology.stamp !== stamp;
    topology = { stamp, pcpus };
    if (changed) onChange({ kind: "host-topology" });
  }
  function readPcpus(): Pcpu[] {
    if (!isLocal) return topology?.pcpus ?? [];
    const stamp = hostTopologyStamp();
    if (topology?.stamp !== stamp) {
      const first = topology === null;
      topology = { stamp, pcpus: readTopology(hostSysTree) };
      if (!first) onChange({ kind: "host-topology" });
    }
    return topology.pcpus;
  }
  function present(): LibvirtDomain[] {
    return [...domains.values()]
      .filter((domain) => domain.isThere())
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }
  function demandDomain(id: DomainId): LibvirtDomain {
    const domain = present().find(({ name }) => name === id);
    if (domain === undefined)
      throw new CommandError("no-such-domain", `Domain ${id} is not running at ${uri}; observe again`);
    return domain;
  }

  return {
    kind: "libvirt",
    async start(listener) {
      let haveTried: () => void = () => undefined;
      const tried = new Promise<void>((resolve) => {
        haveTried = resolve;
      });
      kept = keepConnected({
        timers,
        async connect() {
          const connected = await connect();
          haveTried();
          return connected;
        },
        onFailure(error) {
          link = null;
          cancelList();
          linkProblem = `No connection to libvirt: ${error.message}; is its daemon running? (virsh -c ${uri} version)`;
          haveTried();
          onChange({ kind: "host-topology" });
        },
      });
      await tried;
      // Before this there is nothing to hint at: who starts looks at all of them at once afterwards.
      onChange = listener;
    },
    async observe(deadline) {
      const observed = await Promise.all(present().map((domain) => domain.observe(deadline)));
      const there = observed.filter((one) => one !== null);
      // On this machine /proc tells without libvirt, which may wait for a QEMU that hangs.
      const stats = isLocal ? [] : await ask("vcpuStats", deadline).catch(() => []);
      const problems: Problem[] = [linkProblem, listProblem]
        .filter((message) => message !== null)
        .map((message) => ({ domain: null, message }));
      for (const domain of domains.values())
        for (const message of domain.problems()) problems.push({ domain: domain.name, message });
      return {
        snapshot: { pcpus: readPcpus(), domains: there.map((one) => one.snapshot) },
        usage: there.map((one) => withStats(one, stats)),
        load: there.flatMap((one) => one.load ?? []),
        defined: there.map((one) => one.defined).filter(({ fields }) => Object.keys(fields).length > 0),
        preflight: there.flatMap((one) => one.preflight),
        problems,
      };
    },
    pinVcpu: (id, index, pcpus, deadline) =>
      queue.run({ domain: id, deadline, what: `Pinning vCPU ${index} of ${id}` }, async () => {
        const domain = demandDomain(id);
        const known = await domain.demand(deadline);
        const vcpu = { index, channels: domain.channels() };
        demandVcpus(known, vcpu.channels, [index]);
        await pinVcpu({ known, pcpus: usablePins(pcpus, readPcpus()), ask, deadline }, vcpu);
      }),
    pinEmulator: (id, pcpus, deadline) =>
      queue.run({ domain: id, deadline, what: `Pinning the emulator of ${id}` }, async () => {
        const known = await demandDomain(id).demand(deadline);
        await pinEmulator({ known, pcpus: usablePins(pcpus, readPcpus()), ask, deadline });
      }),
    setOnline(id, online, mechanism, deadline) {
      const what = `Asking ${id} to use vCPUs ${online.join(",")}`;
      const late = () => {
        const channels = domainNamed(id)?.channels() ?? [];
        return channels.some((channel) => channel.word() !== null)
          ? null
          : new CommandError(
              "guest-silent",
              `${what}: its guest said nothing for ${deadline} ms; start its agent`,
            );
      };
      return queue.run({ domain: id, deadline, what, late }, async (signal) => {
        const domain = demandDomain(id);
        const known = await domain.demand(deadline);
        demandVcpus(known, domain.channels(), online);
        if (!online.includes(0))
          throw new CommandError("not-applied", `vCPU 0 of ${id} is never taken: ask with it in the set`);
        await demandAtRest({ known, ask, deadline });
        if (domain.isPaused())
          throw new CommandError("paused", `Domain ${id} is paused; its guest cannot answer until resumed`);
        return askGuest({ domain: id, channels: domain.channels(), online, mechanism, timers, signal });
      });
    },
    plugVcpu(id, slot, deadline) {
      const { guestSocket, guestCore, guestThread } = slot;
      const what = `Plugging a vCPU into ${id} at socket ${guestSocket}, core ${guestCore}, thread ${guestThread}`;
      return queue.run({ domain: id, deadline, what }, (signal) =>
        demandDomain(id).plug(slot, signal).catch(rethrow),
      );
    },
    unplugVcpu: (id, index, deadline) =>
      queue.run({ domain: id, deadline, what: `Unplugging vCPU ${index} of ${id}` }, (signal) =>
        demandDomain(id).unplug(index, signal).catch(rethrow),
      ),
    answer(id, request, answer) {
      for (const channel of domainNamed(id)?.channels() ?? []) channel.answer(request, answer);
    },
    setMonitor(id, settings) {
      monitors.set(id, settings);
      for (const channel of domainNamed(id)?.channels() ?? []) channel.setMonitor(settings);
    },
    async close() {
      kept?.stop();
      kept = null;
      cancelList();
      for (const domain of domains.values()) domain.close();
      domains.clear();
      link?.close();
      link = null;
      onChange = () => undefined;
    },
  };

  function domainNamed(id: DomainId): LibvirtDomain | undefined {
    return present().find(({ name }) => name === id);
  }
}

/** Numbers of virDomainEventType. */
const LIFECYCLE: Readonly<Record<number, DomainEvent | "started">> = {
  2: "started",
  3: "paused",
  4: "resumed",
  5: "stopped",
  6: "changed",
  7: "paused",
  8: "changed",
};

const OTHERS: Readonly<Record<Exclude<LibvirtEvent["kind"], "lifecycle" | "reboot" | "vcpu">, DomainEvent>> =
  {
    definition: "changed",
    job: "changed",
    agent: "agent",
  };

/** Whether a URI without a host, as qemu:///system: then QEMU's processes and sockets are within reach. */
export function isOnThisMachine(uri: string): boolean {
  return /^qemu(\+unix)?:\/\/\//.test(uri);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
