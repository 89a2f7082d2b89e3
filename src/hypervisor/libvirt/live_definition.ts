/**
 * What the live XML of a running domain says that matters here. Format: libvirt's "Domain XML format". What is absent
 * has libvirt's own default; a definition without the essentials (name, UUID, vCPUs) is refused.
 */
import type { VcpuSlot } from "../../core/model.ts";
import type { DomainId, NodeId, PcpuId, VcpuIndex } from "../../core/units.ts";
import { parseCpuList } from "../linux/cpu_list.ts";
import { childOf, childrenOf, parseXml, type XmlElement } from "./xml.ts";

export interface LiveDefinition {
  readonly name: DomainId;
  readonly uuid: string;
  /** Its vCPUs are threads of an emulator, without KVM. */
  readonly isEmulated: boolean;
  /** Every vCPU that the definition has room for, ordered by libvirt's number for it. */
  readonly vcpus: readonly DefinedVcpu[];
  /** On which host node the memory of each guest node is, where it is on exactly one. */
  readonly memory: readonly { readonly guestNode: NodeId; readonly hostNode: NodeId }[];
  readonly ioThreads: readonly number[];
  /** Paths of the sockets of its virtio-serial ports, by the ports' names. */
  readonly channels: ReadonlyMap<string, string>;
  /** `<cputune><shares>`, where it is written. */
  readonly shares: number | null;
  /** `<vcpu cpuset=...>`: where the administrator wants the whole domain, where that is written. */
  readonly cpuset: readonly PcpuId[] | null;
  readonly metadata: readonly XmlElement[];
}

export interface DefinedVcpu extends VcpuSlot {
  readonly index: VcpuIndex;
  readonly plugged: boolean;
  /** Those that are plugged came in this order. */
  readonly order: number;
  /** libvirt would unplug it. */
  readonly removable: boolean;
}

/** More cores per die than any x86 has: makes one core number out of die and core. */
const CORES_PER_DIE_MAX = 4_096;
/** No hypervisor gives a domain more. */
const VCPUS_MAX = 4_096;

/** Throws for what is not the XML of a domain. */
export function parseLiveDefinition(text: string): LiveDefinition {
  const domain = parseXml(text);
  const name = childOf(domain, "name")?.text;
  const uuid = childOf(domain, "uuid")?.text;
  const vcpu = childOf(domain, "vcpu");
  const most = Number(vcpu?.text);
  if (!name || !uuid || !(1 <= most && most <= VCPUS_MAX))
    throw new Error("libvirt's XML of a domain has no name, UUID or number of vCPUs");
  const now = Number(vcpu?.attributes["current"] ?? most);
  return {
    name,
    uuid,
    isEmulated: domain.attributes["type"] === "qemu",
    vcpus: vcpusOf(domain, { most, now }),
    memory: memoryOf(domain),
    ioThreads: ioThreadsOf(domain),
    channels: channelsOf(domain),
    shares: numberOf(childOf(domain, "cputune", "shares")?.text),
    cpuset: readSet(vcpu?.attributes["cpuset"]),
    metadata: childOf(domain, "metadata")?.children ?? [],
  };
}

function vcpusOf(domain: XmlElement, { most, now }: { most: number; now: number }): DefinedVcpu[] {
  const listed = new Map(
    childrenOf(childOf(domain, "vcpus"), "vcpu").map(({ attributes }) => [
      Number(attributes["id"]),
      {
        plugged: attributes["enabled"] === "yes",
        removable: attributes["hotpluggable"] === "yes",
        order: Number(attributes["order"] ?? most),
      },
    ]),
  );
  const place = placesOf(domain);
  return Array.from({ length: most }, (_, index) => {
    // Without a list the first ones are there, as they were at boot.
    const absent = { plugged: index < now, removable: now <= index, order: index + 1 };
    const { plugged, removable, order } = listed.get(index) ?? absent;
    return { index, plugged, order, removable: plugged && removable && index !== 0, ...place(index) };
  });
}

/** Where vCPU n sits. libvirt numbers them thread by thread, core by core, die by die, socket by socket. */
function placesOf(domain: XmlElement): (index: VcpuIndex) => VcpuSlot {
  const topology = childOf(domain, "cpu", "topology")?.attributes;
  const count = (key: string) => Math.max(1, Number(topology?.[key] ?? 1) || 1);
  const threads = count("threads");
  const cores = count("cores");
  const dies = count("dies") * count("clusters");
  const cells = childrenOf(childOf(domain, "cpu", "numa"), "cell").map(({ attributes }, position) => ({
    id: Number(attributes["id"] ?? position),
    vcpus: readSet(attributes["cpus"]) ?? [],
  }));
  return (index) => {
    const core = Math.floor(index / threads);
    const die = Math.floor(core / cores);
    return {
      guestSocket: Math.floor(die / dies),
      guestCore: (die % dies) * CORES_PER_DIE_MAX + (core % cores),
      guestThread: index % threads,
      guestNode: cells.find(({ vcpus }) => vcpus.includes(index))?.id ?? 0,
    };
  };
}

function memoryOf(domain: XmlElement): { guestNode: NodeId; hostNode: NodeId }[] {
  const tune = childOf(domain, "numatune");
  const all = singleNode(childOf(tune, "memory")?.attributes["nodeset"]);
  const own = new Map(
    childrenOf(tune, "memnode").map(({ attributes }) => [
      Number(attributes["cellid"]),
      singleNode(attributes["nodeset"]),
    ]),
  );
  const cells = childrenOf(childOf(domain, "cpu", "numa"), "cell").map(({ attributes }, position) =>
    Number(attributes["id"] ?? position),
  );
  return (cells.length === 0 ? [0] : cells).flatMap((guestNode) => {
    const hostNode = own.has(guestNode) ? own.get(guestNode)! : all;
    return hostNode === null ? [] : [{ guestNode, hostNode }];
  });
}

function ioThreadsOf(domain: XmlElement): number[] {
  const ids = childrenOf(childOf(domain, "iothreadids"), "iothread").map(({ attributes }) =>
    Number(attributes["id"]),
  );
  const count = Number(childOf(domain, "iothreads")?.text ?? 0) || 0;
  // Those without a number of their own get the lowest free ones.
  for (let id = 1; ids.length < count && id <= VCPUS_MAX; id++) if (!ids.includes(id)) ids.push(id);
  return ids.sort((a, b) => a - b);
}

function channelsOf(domain: XmlElement): Map<string, string> {
  const channels = new Map<string, string>();
  for (const channel of childrenOf(childOf(domain, "devices"), "channel")) {
    const name = childOf(channel, "target")?.attributes["name"];
    const path = childOf(channel, "source")?.attributes["path"];
    if (channel.attributes["type"] === "unix" && name !== undefined && path !== undefined) {
      channels.set(name, path);
    }
  }
  return channels;
}

function singleNode(nodeset: string | undefined): NodeId | null {
  const nodes = readSet(nodeset);
  return nodes?.length === 1 ? nodes[0]! : null;
}

/** libvirt's sets may exclude: "0-3,^2". `null` for what is absent or no set. */
export function readSet(text: string | undefined): number[] | null {
  if (text === undefined) return null;
  const parts = text.split(",").map((part) => part.trim());
  const within = parseCpuList(parts.filter((part) => !part.startsWith("^")).join(","));
  const without = parseCpuList(
    parts
      .filter((part) => part.startsWith("^"))
      .map((part) => part.slice(1))
      .join(","),
  );
  return within === null || without === null ? null : within.filter((number) => !without.includes(number));
}

function numberOf(text: string | undefined): number | null {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : null;
}
