/**
 * The pCPUs of a host that is not this machine, from libvirt's capabilities: the ones that are online, with their cores
 * and nodes, and with the last-level caches where libvirt tells them. Cores and caches are named after their lowest pCPU,
 * as those of this machine are (linux/topology.ts).
 */
import type { Pcpu } from "../../core/model.ts";
import { readSet } from "./live_definition.ts";
import { childOf, childrenOf, parseXml } from "./xml.ts";

/** Ordered by id. Throws for what are not capabilities. */
export function parseHostPcpus(text: string): Pcpu[] {
  const host = childOf(parseXml(text), "host");
  const cells = childrenOf(childOf(host, "topology", "cells"), "cell");
  if (cells.length === 0) throw new Error("libvirt's capabilities name no pCPUs of the host");
  const caches = childrenOf(childOf(host, "cache"), "bank")
    .filter(({ attributes }) => attributes["type"] !== "code")
    .map(({ attributes }) => ({
      level: Number(attributes["level"]),
      pcpus: readSet(attributes["cpus"]) ?? [],
    }))
    .sort((a, b) => b.level - a.level);
  return cells
    .flatMap((cell) => {
      const node = Number(cell.attributes["id"]);
      return childrenOf(childOf(cell, "cpus"), "cpu").map(({ attributes }) => {
        const id = Number(attributes["id"]);
        const cache = caches.find(({ pcpus }) => pcpus.includes(id));
        return {
          id,
          core: readSet(attributes["siblings"])?.[0] ?? id,
          llc: cache?.pcpus[0] ?? node,
          node,
          online: true,
        };
      });
    })
    .sort((a, b) => a.id - b.id);
}
