/** What a record does not tell and was assumed instead, in sentences for a person. */
import type { Recording } from "./recording.ts";
import type { ThreadRule } from "./world.ts";

export function assumptionsOf({ underVbal, domains, facts }: Recording, threads: ThreadRule): string[] {
  return [
    domains.some(({ spinning }) => spinning === null)
      ? "A record does not show what run time is good for: without looks, computing, spinning and emulation are alike."
      : "A record does not show what run time is good for: of what is not spinning, computing and emulation are alike.",
    "Each domain's threads are taken to meet in one of five ways (not at all, spinning barriers, blocking barriers, a kernel spinlock, memory mapping) at any intensity; the intervals span those that fit the record.",
    threads === "follow"
      ? "A program that has a thread on every vCPU is taken to have as many threads as vCPUs under every policy, as one that is started there; --threads keep takes those that run already."
      : "Programs keep their number of threads under every policy.",
    "The load is steady, and whoever sleeps sleeps as long under every policy: a domain that gets more done is not given more to do from outside.",
    "The host schedules by EEVDF as Linux 6.12 does, with or without a group per domain and with 100 to 1,000 ticks a second, and may have other work that no record shows; all of that is left open.",
    domains.some(({ stacking }) => stacking === null)
      ? "How far the host stacks a domain's vCPUs, so that siblings cannot run together, is not recorded for every domain, and left open."
      : "Siblings are taken to run together no more than the record's seconds allow: whether they did where they may have is left open.",
    ...(facts.pauseLoopExits === null
      ? [
          "Whether the host notices vCPUs that spin (pause-loop exits: KVM where the hardware can, emulation never) is left open too; --pause-loop-exits says it.",
        ]
      : []),
    facts.sharingLoss === null
      ? "A vCPU that shares its pCPU is taken to lose 0.1 to 10 % of its speed by that; --sharing-loss says how much."
      : `A vCPU that shares its pCPU is taken to lose ${(100 * facts.sharingLoss).toFixed(1)} % of its speed by that, whatever its program does.`,
    ...(domains.every(({ dispatches }) => dispatches === null)
      ? []
      : [
          "How often the host put vCPUs on a pCPU may differ from a model by a factor of three: an emulator's locks add to it, and KVM's polling before a halt takes from it.",
        ]),
    ...(domains.every(({ interrupts }) => interrupts === null)
      ? []
      : [
          "How often vCPUs interrupted each other is what the guest says of itself, and may differ from a model by a factor of three: its kernel also interrupts vCPUs for its own housekeeping, and spares the interrupt where a vCPU polls.",
        ]),
    ...(domains.every(({ spinning }) => spinning === null)
      ? []
      : [
          "How often looks found vCPUs in a loop of pauses may differ from a model by a tenth of all looks; threads that spin are taken to pause.",
        ]),
    ...(domains.every(({ inKernel }) => inKernel === null)
      ? []
      : [
          "Which part of their time vCPUs run in their kernel is what the guest says of itself, and may differ from a model by a tenth of that time.",
        ]),
    facts.handoverNs === null
      ? "What it costs threads of one vCPU to take turns is left open over a factor of 60, for all domains alike; --handover says it."
      : `Threads of one vCPU are taken to need ${microseconds(facts.handoverNs)} to take turns, or up to 1.6 times more or less, in all domains.`,
    facts.wakeupNs === null
      ? "What an interrupt from one vCPU to another costs is left open over a factor of 400, for all domains alike; --wakeup says it."
      : `An interrupt from one vCPU to another is taken to cost ${microseconds(facts.wakeupNs)}, or up to 1.6 times more or less, in all domains.`,
    "What TLB shootdowns cost is left open over a factor of 2,000, for all domains alike. SMT siblings and memory of another node are taken to cost nothing.",
    "Guests follow their targets at once, and what vbal itself costs is left out.",
    ...(domains.some(({ wait }) => wait === null)
      ? ["How long vCPUs waited was not recorded for every domain: any waiting is possible there."]
      : []),
    ...(underVbal
      ? [
          "vbal was at work while this was recorded: throughput is relative to that, and what default scheduling would give is the prediction.",
        ]
      : []),
  ];
}

function microseconds(ns: number): string {
  return `${(ns / 1_000).toFixed(1)} us`;
}
