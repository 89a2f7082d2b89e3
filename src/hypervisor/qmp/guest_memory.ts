/**
 * On which host node the memory of each guest node is. A host with one node has no choice; with more, a backend that
 * is bound to one of them says so (query-memdev), and QEMU's command line says which guest node it backs. The memory
 * of a guest without nodes is looked for page by page (/proc/PID/numa_maps). Whatever stays open is left out.
 */
import { readFile } from "node:fs/promises";
import type { NodeId } from "../../core/units.ts";
import type { MemoryBackend } from "./qmp_commands.ts";

export interface GuestMemory {
  readonly guestNode: NodeId;
  readonly hostNode: NodeId;
}

export interface MemoryFacts {
  readonly hostNodes: readonly NodeId[];
  readonly guestNodes: readonly NodeId[];
  readonly backends: readonly MemoryBackend[];
  /** QEMU's arguments. */
  readonly commandLine: readonly string[];
  /** The text of /proc/PID/numa_maps, or `null` when it could not be read. */
  readonly numaMaps: string | null;
}

/** Ordered by guest node. */
export function guestMemory(facts: MemoryFacts): GuestMemory[] {
  const guestNodes = [...facts.guestNodes].sort((a, b) => a - b);
  const [only, ...others] = facts.hostNodes;
  if (only !== undefined && others.length === 0) {
    return guestNodes.map((guestNode) => ({ guestNode, hostNode: only }));
  }
  const backendOf = backendsByNode(facts.commandLine);
  return guestNodes.flatMap((guestNode) => {
    const id = backendOf.get(guestNode);
    const bound = facts.backends.find((backend) => backend.id !== undefined && backend.id === id);
    const hostNode = boundNode(bound) ?? (guestNodes.length === 1 ? mostlyOn(facts.numaMaps ?? "") : null);
    return hostNode === null ? [] : [{ guestNode, hostNode }];
  });
}

/** Of a process; `null` for what could not be read. */
export async function readMemoryFiles(pid: number): Promise<Pick<MemoryFacts, "commandLine" | "numaMaps">> {
  const read = (name: string) => readFile(`/proc/${pid}/${name}`, "utf8").catch(() => null);
  const [commandLine, numaMaps] = await Promise.all([read("cmdline"), read("numa_maps")]);
  return { commandLine: (commandLine ?? "").split("\0"), numaMaps };
}

/** "-numa node,nodeid=1,memdev=memory1": nodes without a number are counted in their order. */
function backendsByNode(commandLine: readonly string[]): Map<NodeId, string> {
  const found = new Map<NodeId, string>();
  let next = 0;
  for (const [at, word] of commandLine.entries()) {
    if (commandLine[at - 1] !== "-numa" || !word.startsWith("node")) continue;
    const node = Number(/(?:^|,)nodeid=(\d+)/.exec(word)?.[1] ?? next);
    const memdev = /(?:^|,)memdev=([^,]+)/.exec(word)?.[1];
    next = node + 1;
    if (memdev !== undefined) found.set(node, memdev);
  }
  return found;
}

/** `interleave` spreads on purpose, and `default` binds to nothing. */
function boundNode(backend: MemoryBackend | undefined): NodeId | null {
  const [node, ...others] = backend?.["host-nodes"] ?? [];
  const holds = backend?.policy === "bind" || backend?.policy === "preferred";
  return holds && node !== undefined && others.length === 0 ? node : null;
}

/** A few pages elsewhere (libraries, QEMU's own) do not matter; memory that is really spread is near no node. */
const MOSTLY = 0.9;

function mostlyOn(numaMaps: string): NodeId | null {
  const pages = new Map<NodeId, number>();
  let all = 0;
  for (const [, node, count] of numaMaps.matchAll(/ N(\d+)=(\d+)/g)) {
    pages.set(Number(node), (pages.get(Number(node)) ?? 0) + Number(count));
    all += Number(count);
  }
  for (const [node, count] of pages) if (MOSTLY * all <= count) return node;
  return null;
}
