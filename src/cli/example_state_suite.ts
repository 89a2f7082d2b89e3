/** States to look at in tests of the views: a host of `pcpus` pCPUs whose domains are given briefly. */
import type { DomainView, StateView, VcpuView } from "../protocol/state_view.ts";

export interface BriefDomain extends Partial<DomainView> {
  readonly name: string;
  /** Per vCPU: the pCPU of an online one, or null for an offline one. */
  readonly at: readonly (number | null)[];
  readonly runPercent?: number;
  readonly waitPercent?: number;
}

export function exampleState(brief: {
  readonly pcpus: number;
  readonly nodes?: number;
  readonly domains: readonly BriefDomain[];
  readonly over?: Partial<StateView>;
}): StateView {
  const perNode = brief.pcpus / (brief.nodes ?? 1);
  return {
    version: 1,
    atMs: Date.UTC(2026, 0, 2, 14, 5, 9),
    revision: 7,
    daemon: {
      pid: 4242,
      version: "0.1.0",
      uptimeMs: 3_725_000,
      mode: "controlling",
      configFile: "/etc/vbal/vbal.yaml",
      configProblem: null,
      journal: "/var/lib/vbal/journal.jsonl",
      hypervisor: "qmp",
    },
    host: {
      pcpus: Array.from({ length: brief.pcpus }, (_, id) => ({
        id,
        core: id,
        llc: Math.floor(id / perNode),
        node: Math.floor(id / perNode),
        online: true,
        inPool: true,
      })),
    },
    domains: brief.domains.map(domainOf),
    problems: [],
    notes: [],
    ...brief.over,
  };
}

function domainOf({ at, runPercent = 80, waitPercent = 0, ...over }: BriefDomain): DomainView {
  const online = at.filter((pcpu) => pcpu !== null);
  return {
    managed: true,
    weight: 256,
    reservationMilliPcpu: 0,
    capMilliPcpu: null,
    vcpusMin: 1,
    vcpusMax: null,
    entitlementMilliPcpu: online.length * 1000,
    interruptsPerSecond: null,
    target: online.length,
    online: online.length,
    guestAgent: "vbal-agent",
    cooperation: "active",
    sharesWith: [],
    vcpus: at.map((pcpu, index): VcpuView => {
      const isOnline = pcpu !== null;
      return {
        index,
        online: isOnline,
        pcpus: isOnline ? [pcpu] : online,
        runPercent: isOnline ? runPercent : 0,
        waitPercent: isOnline ? waitPercent : 0,
        stealPercent: isOnline ? waitPercent : 0,
        dispatchesPerSecond: 0,
        lastPcpu: isOnline ? pcpu : null,
      };
    }),
    reasons: [],
    pending: [],
    ...over,
  };
}
