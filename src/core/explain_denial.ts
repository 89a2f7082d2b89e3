/** Every denial as one plain sentence, for the guest's administrator and the host's. */
import { formatRanges } from "./ranges.ts";
import type { Denial } from "./request.ts";
import { MILLI_PER_PCPU } from "./units.ts";
import { unreachable } from "./unreachable.ts";

export function explainDenial(why: Denial): string {
  switch (why.code) {
    case "unknown-domain":
      return "vbal does not manage this domain.";
    case "strict-weights":
      return `The host divides by weights alone, and ${count(why.strict)} is what this weight is due.`;
    case "too-often":
      return `Asked too often; ask again in ${why.retryAfter} ms.`;
    case "paused":
      return "The domain is paused.";
    case "silent-guest":
      return "The guest's agent is not heard, so nobody could bring a vCPU online.";
    case "no-load-monitor":
      return "Its guest has no load monitor at work, so it always has what its weight is due and borrows nothing.";
    case "not-now":
      return NOT_NOW[why.daemon];
    case "not-exceeded":
      return `The value ${why.value} does not exceed its threshold ${why.threshold}.`;
    case "no-such-node":
      return `The guest has no virtual NUMA node ${why.node}; it has ${formatRanges(why.nodes)}.`;
    case "node-has-no-vcpu-left":
      return `Every vCPU of virtual NUMA node ${why.node} is in use.`;
    case "no-vcpu-left":
      return `All of its ${count(why.vcpus)} are in use.`;
    case "at-vcpus-max":
      return `The administrator allows it ${count(why.vcpusMax)} at most.`;
    case "no-slot-on-node":
      return `Every vCPU of virtual NUMA node ${why.node} is in use, and no slot is free there to plug one more.`;
    case "being-plugged":
      return `A vCPU is being plugged into virtual NUMA node ${why.node} for an earlier request; let that come first.`;
    case "plug-failed":
      return `No vCPU could be plugged into virtual NUMA node ${why.node}: ${why.reason ?? "the guest did not show it in time"}.`;
    case "would-not-grow":
      return [
        `Its guest did not bring more than ${count(why.vcpus)} online when it was told to;`,
        `it is asked again in ${why.retryAfter} ms.`,
      ].join(" ");
    case "still-growing":
      return `It has ${count(why.online)} online and was granted ${why.target}; let these come online first.`;
    case "at-loan-quota":
      return `It has as many vCPUs beyond its entitlement as it may have, which is ${why.loansMax}.`;
    case "not-busy":
      return [
        `It used, or waited for, ${why.usage / MILLI_PER_PCPU} pCPUs;`,
        `more than its entitlement is lent only to a guest with work for at least ${why.least / MILLI_PER_PCPU}.`,
      ].join(" ");
    case "no-free-pcpu":
      return [
        `It is due ${count(why.strict)} and has ${why.target};`,
        "no other domain leaves a pCPU unused, or borrows more for its weight.",
      ].join(" ");
    default:
      return unreachable(why);
  }
}

function count(vcpus: number): string {
  return `${vcpus} vCPU${vcpus === 1 ? "" : "s"}`;
}

const NOT_NOW = {
  starting: "The daemon has just started and has not seen the whole host yet; ask again in some seconds.",
  observing: "The daemon only observes; nothing is changed until somebody lets it enforce its plan.",
  stopping: "The daemon is stopping and puts every domain back as it was found.",
} as const;
