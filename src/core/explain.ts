/** Every reason as one plain sentence. */
import { formatRanges } from "./ranges.ts";
import type { Reason } from "./reason.ts";
import { MILLI_PER_PCPU, type MilliPcpu } from "./units.ts";
import { unreachable } from "./unreachable.ts";

export function explainReason(reason: Reason): string {
  switch (reason.code) {
    case "share":
      return [
        `Its weight ${reason.weight} of ${reason.weightSum} in all`,
        `is a share of ${pcpus(reason.share)} of the host's ${pcpus(reason.capacity)}.`,
      ].join(" ");
    case "raised-to-reservation":
      return `Its reservation raises that to ${pcpus(reason.reservation)}.`;
    case "lowered-to-cap":
      return `Its cap lowers that to ${pcpus(reason.cap)}.`;
    case "lowered-to-vcpus":
      return `It can use no more than its ${count(reason.vcpus, "vCPU")}, so the rest is divided among the others.`;
    case "surplus-from-others":
      return `It gets ${pcpus(reason.surplus)} more, which other domains cannot use.`;
    case "lowered-for-reservations":
      return `It gets ${pcpus(reason.shortfall)} less, which other domains have reserved.`;
    case "reservations-exceed-capacity":
      return [
        `The reservations add up to ${pcpus(reason.reserved)} but the host has ${pcpus(reason.capacity)},`,
        "so each is scaled down in proportion; lower some of them.",
      ].join(" ");
    case "rounded-up":
      return `${pcpus(reason.entitlement)} is rounded up to ${count(reason.target, "vCPU")}.`;
    case "rounded-down":
      return `${pcpus(reason.entitlement)} is rounded down to ${count(reason.target, "vCPU")}.`;
    case "raised-to-minimum":
      return `It always keeps at least ${count(reason.vcpusMin, "vCPU")}.`;
    case "more-vcpus-than-pcpus":
      return `Its ${count(reason.vcpus, "vCPU")} take turns on ${count(reason.pcpus, "pCPU")}.`;
    case "cannot-offline":
      return `Its guest cannot take ${list("vCPU", reason.vcpus)} offline.`;
    case "lends":
      return [
        `It leaves ${reason.vcpus} of the ${count(reason.due, "vCPU")} that it is due unused;`,
        "they are lent to domains that ask, and it has them back as soon as it asks.",
      ].join(" ");
    case "borrows":
      return [
        `It asked for more and borrows ${count(reason.vcpus, "vCPU")} beyond the ${reason.due} that it is due;`,
        "others leave their pCPUs unused and have them back as soon as they ask.",
      ].join(" ");
    case "silent-guest":
      return "Its guest does not answer, so its vCPUs all stay online and are only confined to its pCPUs.";
    case "no-mechanism":
      return "Its guest has no means to take a vCPU offline, so its vCPUs stay as they are.";
    case "paused":
      return "It is paused, so it keeps its place and its guest is asked nothing.";
    case "shares-pcpus":
      return `It shares ${list("pCPU", reason.pcpus)} with ${reason.with.join(", ")}.`;
    case "node-full":
      return `Node ${reason.node} has no room for all of it, so a part of it is on another node.`;
    case "far-from-memory":
      return `The host's node with the memory of ${list("vCPU", reason.vcpus)} has no room for all of them, so they run on another node.`;
    case "pcpus-left-idle":
      return `No domain has a use for ${list("pCPU", reason.pcpus)}, so the host keeps ${reason.pcpus.length === 1 ? "it" : "them"}.`;
    case "no-pcpus":
      return "No pCPU of the pool is online, so nothing is planned; check the pool in the policy.";
    // Of a vCPU or of several: these stand in lists of moves.
    case "first-placement":
      return "First placement.";
    case "brought-online":
      return "Comes online and gets a pCPU.";
    case "near-memory":
      return `On node ${reason.node} of the host, where the memory of virtual NUMA node ${reason.guestNode} is.`;
    case "pcpu-gone":
      return `pCPU ${reason.pcpu} is no longer in the pool.`;
    case "pcpu-given-to":
      return `Makes room for ${reason.domain}.`;
    case "own-pcpu-instead-of-shared":
      return "A pCPU that need not be shared.";
    case "must-share":
      return "Too few pCPUs, so this one is shared.";
    case "set-resized":
      return `The domain has ${count(reason.to, "pCPU")} to run on now, after ${reason.from}.`;
    case "closer":
      return `Closer to the rest of the domain: ${CLOSER[reason.to]}.`;
    case "confined-while-offline":
      return "Offline: confined to its domain's pCPUs, should the guest bring it back.";
    default:
      return unreachable(reason);
  }
}

const CLOSER = { node: "the same node", llc: "the same last-level cache", core: "the same core" } as const;

/** 1,500 milli-pCPU read as "1.5 pCPUs". */
function pcpus(milli: MilliPcpu): string {
  return count(milli / MILLI_PER_PCPU, "pCPU");
}

function count(number: number, thing: string): string {
  return `${number} ${thing}${number === 1 ? "" : "s"}`;
}

function list(thing: string, numbers: readonly number[]): string {
  return `${thing}${numbers.length === 1 ? "" : "s"} ${formatRanges(numbers)}`;
}
