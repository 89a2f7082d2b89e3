/**
 * The `Hypervisor` port for the domains of a libvirt daemon. vCPUs and pins go through libvirt, so that its own view
 * stays true, and only ever to the running domain: persistent definitions are never changed. The guests are spoken to
 * through our agent's virtio-serial port, or the stock guest agent by way of libvirt.
 */
import type { Pcpu } from "../../core/model.ts";
import type { DomainId, Milliseconds, PcpuId, VcpuIndex } from "../../core/units.ts";
import { createCommandQueue } from "../command_queue.ts";
import { askGuest } from "../guest/ask_guest.ts";
import type { VbalAgentPace } from "../guest/vbal_agent_channel.ts";
import { type KeptConnection, keepConnected } from "../keep_connected.ts";
import { linuxAffinity } from "../linux/affinity.ts";
import { hostSysTree, readTopology, topologyStamp } from "../linux/topology.ts";
import { CommandError, type Hypervisor, type HypervisorChange, type Problem } from "../port.ts";
import { nodeTimers, type Timers } from "../timers.ts";
import { LibvirtError, NO_DOMAIN } from "./libvirt_calls.ts";
import {
  type Ask,
  createLibvirtDomain,
  type DomainEvent,
  type KnownDomain,
  type LibvirtDomain,
} from "./libvirt_domain.ts";
import { connectLibvirt, type LibvirtLink } from "./libvirt_link.ts";
import type { LibvirtEvent } from "./libvirt_process.ts";

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
/** New emulator threads may appear while we pin the old ones, with the old pins; this many rounds catch them. */
const PIN_ROUNDS_MAX = 5;

export function createLibvirtAdapter(options: LibvirtAdapterOptions): Hypervisor {
  const { uri, timers = nodeTimers, agent = {} } = options;
  const isLocal = isOnThisMachine(uri);
  const queue = createCommandQueue(timers);
  /** By UUID. */
  const domains = new Map<string, LibvirtDomain>();
  let link: LibvirtLink | null = null;
  let linkProblem: string | null = null;
  let listProblem: string | null = null;
  let kept: KeptConnection | null = null;
  let cancelList: () => void = () => undefined;
  let onChange: (change: HypervisorChange) => void = () => undefined;
  let topology: { stamp: string; pcpus: Pcpu[] } | null = null;

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
    for (const domain of domains.values()) domain.doubt();
    await list();
    return connected;
  }

  /** Has a `LibvirtDomain` for each running domain; resolves when each has been asked about. */
  async function list(): Promise<void> {
    cancelList();
    try {
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
      agent,
      timers,
      onChange: (change) => onChange(change),
      onGone() {
        if (domains.get(uuid) === domain) domains.delete(uuid);
        queue.abandon(name, new CommandError("no-such-domain", `Domain ${name} ended during the command`));
      },
    });
    domains.set(uuid, domain);
  }
  function heed({ kind, domain: key, name, detail }: LibvirtEvent): void {
    const event = kind === "lifecycle" ? LIFECYCLE[detail] : kind === "reboot" ? "reset" : OTHERS[kind];
    if (event === "started") meet(name, key);
    else if (event !== undefined) {
      const domain = domains.get(key.uuid);
      // The last event of a life already bears no number.
      if (domain !== undefined && (event === "stopped" || domain.key.id === key.id)) domain.heed(event);
    }
  }

  function readPcpus(): Pcpu[] {
    const stamp = topologyStamp(hostSysTree);
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
  function demandPcpus(pcpus: readonly PcpuId[]): readonly PcpuId[] {
    const online = readPcpus()
      .filter((pcpu) => pcpu.online)
      .map((pcpu) => pcpu.id);
    const missing = pcpus.filter((pcpu) => !online.includes(pcpu));
    if (pcpus.length === 0 || missing.length > 0) {
      throw new CommandError(
        "no-such-pcpu",
        `Pins must name pCPUs that are online (${online.join(",")}), not ${missing.join(",") || "none at all"}`,
      );
    }
    return [...new Set(pcpus)].sort((a, b) => a - b);
  }

  async function pinVcpu(id: DomainId, index: VcpuIndex, wanted: readonly PcpuId[], deadline: Milliseconds) {
    const { key, definition, machine } = await demandDomain(id).demand(deadline);
    const plugged = definition.vcpus.filter((vcpu) => vcpu.plugged).map((vcpu) => vcpu.index);
    if (!plugged.includes(index)) throw noSuchVcpu(id, [index], plugged);
    const pcpus = demandPcpus(wanted);
    await ask("pinVcpu", deadline, key, index, pcpus);
    const real =
      machine === null
        ? (await ask("vcpuPins", deadline, key, definition.vcpus.length))[index]
        : machine.vcpuPins(index);
    if (String(real) !== String(pcpus)) throw notAsAsked(`vCPU ${index} of ${id}`, pcpus, real);
  }
  async function pinEmulator(id: DomainId, wanted: readonly PcpuId[], deadline: Milliseconds) {
    const { key, definition, machine } = await demandDomain(id).demand(deadline);
    const pcpus = demandPcpus(wanted);
    await ask("pinEmulator", deadline, key, pcpus);
    for (const thread of definition.ioThreads) await ask("pinIoThread", deadline, key, thread, pcpus);
    if (machine !== null) pinTheRest({ key, definition, machine }, pcpus);
    const real = machine === null ? await ask("emulatorPins", deadline, key) : machine.otherPins();
    if (String(real) !== String(pcpus)) throw notAsAsked(`The emulator of ${id}`, pcpus, real);
  }

  return {
    kind: "libvirt",
    async start(listener) {
      onChange = listener;
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
          linkProblem = `No connection to libvirt: ${error.message}`;
          haveTried();
          onChange({ kind: "host-topology" });
        },
      });
      await tried;
    },
    async observe(deadline) {
      const observed = await Promise.all(present().map((domain) => domain.observe(deadline)));
      const there = observed.filter((one) => one !== null);
      const problems: Problem[] = [linkProblem, listProblem]
        .filter((message) => message !== null)
        .map((message) => ({ domain: null, message }));
      for (const domain of domains.values())
        for (const message of domain.problems()) problems.push({ domain: domain.name, message });
      return {
        snapshot: { pcpus: readPcpus(), domains: there.map((one) => one.snapshot) },
        usage: there.map((one) => one.usage).filter((one) => one !== null),
        defined: there.map((one) => one.defined).filter(({ fields }) => Object.keys(fields).length > 0),
        preflight: there.flatMap((one) => one.preflight),
        problems,
      };
    },
    pinVcpu: (id, index, pcpus, deadline) =>
      queue.run({ domain: id, deadline, what: `Pinning vCPU ${index} of ${id}` }, () =>
        pinVcpu(id, index, pcpus, deadline).catch(rethrow),
      ),
    pinEmulator: (id, pcpus, deadline) =>
      queue.run({ domain: id, deadline, what: `Pinning the emulator of ${id}` }, () =>
        pinEmulator(id, pcpus, deadline).catch(rethrow),
      ),
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
        const { definition } = await domain.demand(deadline);
        const plugged = definition.vcpus.filter((vcpu) => vcpu.plugged).map((vcpu) => vcpu.index);
        const unknown = online.filter((index) => !plugged.includes(index));
        if (unknown.length > 0) throw noSuchVcpu(id, unknown, plugged);
        if (!online.includes(0))
          throw new CommandError("not-applied", `vCPU 0 of ${id} is never taken: ask with it in the set`);
        if (domain.isPaused())
          throw new CommandError("paused", `Domain ${id} is paused; its guest cannot answer until resumed`);
        return askGuest({ domain: id, channels: domain.channels(), online, mechanism, timers, signal });
      });
    },
    plugVcpu: (id) => Promise.reject(new CommandError("not-supported", `No vCPU is plugged into ${id} yet`)),
    unplugVcpu: (id) =>
      Promise.reject(new CommandError("not-supported", `No vCPU is unplugged from ${id} yet`)),
    answer(id, request, answer) {
      for (const channel of domainNamed(id)?.channels() ?? []) channel.answer(request, answer);
    },
    setMonitor(id, settings) {
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

const OTHERS: Readonly<Record<Exclude<LibvirtEvent["kind"], "lifecycle" | "reboot">, DomainEvent>> = {
  definition: "changed",
  job: "changed",
  agent: "agent",
};

/** Whether a URI without a host, as qemu:///system: then QEMU's processes and sockets are within reach. */
export function isOnThisMachine(uri: string): boolean {
  return /^qemu(\+unix)?:\/\/\//.test(uri);
}

/** libvirt pins the process and its I/O threads; QEMU has others, for which libvirt has no call. */
function pinTheRest({ machine }: KnownDomain, pcpus: readonly PcpuId[]): void {
  for (let round = 0; round < PIN_ROUNDS_MAX; round++) {
    const left = (machine?.otherThreads() ?? []).filter(
      (thread) => String(linuxAffinity.get(thread) ?? pcpus) !== String(pcpus),
    );
    if (left.length === 0) return;
    // What the kernel refuses shows when the outcome is read back.
    for (const thread of left) linuxAffinity.set(thread, pcpus);
  }
}

function rethrow(error: unknown): never {
  if (!(error instanceof LibvirtError)) throw error;
  const failure = error.code === NO_DOMAIN ? "no-such-domain" : "not-applied";
  throw new CommandError(failure, `libvirt refused: ${error.message}`);
}

function noSuchVcpu(id: DomainId, asked: readonly number[], plugged: readonly number[]): CommandError {
  return new CommandError(
    "no-such-vcpu",
    `Domain ${id} has vCPUs ${plugged.join(",")}, not ${asked.join(",")}; observe again`,
  );
}

function notAsAsked(
  what: string,
  pcpus: readonly PcpuId[],
  real: readonly PcpuId[] | null | undefined,
): CommandError {
  return new CommandError(
    "not-applied",
    `${what} may run on ${real?.join(",") ?? "nobody knows where"} instead of ${pcpus.join(",")}: its cpuset holds no others, or somebody else pins it`,
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
