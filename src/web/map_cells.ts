/** Who is on which pCPU: the state turned round, from domains that name pCPUs to pCPUs that name vCPUs. */
import type { PcpuView, StateView } from "../protocol/state_view.ts";

export interface Cell {
  readonly pcpu: PcpuView;
  /** Exclusive ones first; at most one per vCPU. */
  readonly guests: readonly Guest[];
  /** All vCPUs that ran here last, together; `null` when nothing is known of any. */
  readonly runPercent: number | null;
}

export interface Guest {
  readonly domain: string;
  /** The domain's number in the list. */
  readonly number: number;
  readonly vcpu: number;
  /** It was last seen on this pCPU; else it is only meant to be here. */
  readonly isRunning: boolean;
}

/** A vCPU that may run on more pCPUs than this floats; it is shown where it ran last. */
const PINNED_MAX = 1;

/** One per pCPU: by node, core and id. vCPUs that are not in use are nowhere. */
export function cellsOf({ host, domains }: Pick<StateView, "host" | "domains">): readonly Cell[] {
  const guests = new Map<number, Guest[]>(host.pcpus.map(({ id }) => [id, []]));
  const load = new Map<number, number>();
  domains.forEach((domain, number) => {
    for (const { index, online, pcpus, lastPcpu, runPercent } of domain.vcpus) {
      if (online === false) continue;
      if (lastPcpu !== null && runPercent !== null) {
        load.set(lastPcpu, (load.get(lastPcpu) ?? 0) + runPercent);
      }
      const isPinned = pcpus !== null && pcpus.length <= PINNED_MAX;
      const places = isPinned ? pcpus : domain.managed && lastPcpu !== null ? [lastPcpu] : [];
      for (const place of places) {
        guests.get(place)?.push({ domain: domain.name, number, vcpu: index, isRunning: lastPcpu === place });
      }
    }
  });
  return host.pcpus
    .map((pcpu) => ({ pcpu, guests: guests.get(pcpu.id)!, runPercent: load.get(pcpu.id) ?? null }))
    .sort((a, b) => a.pcpu.node - b.pcpu.node || a.pcpu.core - b.pcpu.core || a.pcpu.id - b.pcpu.id);
}
