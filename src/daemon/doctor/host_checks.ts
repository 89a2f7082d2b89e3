/** What the facts of a host mean for vbal. Pure. */
import { formatRanges } from "../../core/ranges.ts";
import { bad, type Check, fine } from "./check.ts";
import type { HostFacts } from "./host_facts.ts";

export function hostChecks(facts: HostFacts): readonly Check[] {
  return [
    system(facts),
    permission(facts),
    schedstat(facts),
    affinity(facts),
    isolated(facts),
    cgroups(facts),
    numaBalancing(facts),
    placers(facts),
    interrupts(facts),
    topology(facts),
    guests(facts),
  ];
}

function system({ platform, kernel, node }: HostFacts): Check {
  const found = `${platform}, kernel ${kernel}, Node ${node}`;
  return platform === "linux"
    ? fine("system", found)
    : bad(
        "system",
        found,
        "vbal places threads on Linux hosts; elsewhere only the simulated host and the simulator work",
      );
}

function permission({ mayPin }: HostFacts): Check {
  return mayPin
    ? fine("permission", "May place the threads of other users' processes (CAP_SYS_NICE)")
    : bad(
        "permission",
        "May not place the threads of other users' processes",
        "Run vbal as root, or give it CAP_SYS_NICE as its systemd unit does",
      );
}

function schedstat({ hasSchedstat }: HostFacts): Check {
  return hasSchedstat
    ? fine("schedstat", "The kernel tells how long vCPUs wait for a pCPU")
    : bad(
        "schedstat",
        "The kernel does not tell how long vCPUs wait (no /proc/PID/schedstat)",
        "Use a kernel with CONFIG_SCHED_INFO, as every distribution's has",
      );
}

function affinity({ allowed, pcpus }: HostFacts): Check {
  const online = pcpus.filter((pcpu) => pcpu.online).map(({ id }) => id);
  const missing = allowed === null ? [] : online.filter((id) => !allowed.includes(id));
  if (missing.length === 0) return fine("affinity", `May use every online pCPU (${formatRanges(online)})`);
  return bad(
    "affinity",
    `This process itself is kept off pCPU ${formatRanges(missing)}`,
    "A cpuset or CPUAffinity= confines it: leave those pCPUs out with `pool`, or start vbal outside of it",
  );
}

function isolated({ isolated: ids }: HostFacts): Check {
  if (ids.length === 0) return fine("isolated", "No pCPU is isolated on the kernel's command line");
  return fine(
    "isolated",
    `pCPU ${formatRanges(ids)} are isolated (isolcpus)`,
    "That suits pinned vCPUs, but a shared domain would stay on one of them: place shared domains elsewhere with `node` or `pool`",
  );
}

function cgroups({ cgroup, confined }: HostFacts): Check {
  if (confined.length > 0) {
    const which = confined.map(({ cgroup: name, pcpus }) => `${name}: ${pcpus}`).join("; ");
    return bad(
      "cgroups",
      `cgroups of virtual machines are confined (${which})`,
      "A pin outside of it fails: widen cpuset.cpus, or name just those pCPUs in `pool`",
    );
  }
  return fine("cgroups", `cgroup ${cgroup}, virtual machines are not confined`);
}

function numaBalancing({ numaBalancing: on }: HostFacts): Check {
  if (!on) return fine("numa-balancing", "The kernel does not move memory between nodes by itself");
  return fine(
    "numa-balancing",
    "Automatic NUMA balancing is on: the kernel moves memory after the vCPUs",
    "It leaves pins alone. When domains have a `node` of their own, switch it off to save its page faults: sysctl kernel.numa_balancing=0",
  );
}

/** Programs that bind processes to pCPUs or nodes by themselves. */
const PLACERS = ["numad"];

function placers({ programs }: HostFacts): Check {
  const found = PLACERS.filter((name) => programs.has(name));
  if (found.length === 0) return fine("placers", "No other program places virtual machines");
  return bad(
    "placers",
    `${found.join(" and ")} ${found.length === 1 ? "places" : "place"} processes too`,
    `Two of them undo each other's work: stop ${found.join(" and ")} (systemctl disable --now ${found[0]})`,
  );
}

function interrupts({ programs }: HostFacts): Check {
  if (!programs.has("irqbalance")) return fine("interrupts", "irqbalance does not run");
  return fine(
    "interrupts",
    "irqbalance runs",
    "It moves interrupts onto pCPUs that belong to guests; where that matters, name them in IRQBALANCE_BANNED_CPULIST",
  );
}

function topology({ pcpus }: HostFacts): Check {
  const cores = new Set(pcpus.filter(({ online }) => online).map(({ core }) => core)).size;
  const nodes = new Set(pcpus.map(({ node }) => node)).size;
  const online = pcpus.filter((pcpu) => pcpu.online).length;
  const found = `${online} pCPUs on ${cores} cores in ${nodes} NUMA ${nodes === 1 ? "node" : "nodes"}`;
  if (cores === online) return fine("topology", `${found}, no SMT`);
  return fine(
    "topology",
    `${found}, SMT is on`,
    "Two threads of a core are divided like pCPUs of their own and are not as fast; vbal keeps the siblings of a core in one domain where counts allow",
  );
}

function guests({ qemus }: HostFacts): Check {
  return fine(
    "qemu",
    qemus === 1 ? "One QEMU process runs" : `${qemus} QEMU processes run`,
    qemus === 0 ? "vbal finds guests as soon as they run" : "",
  );
}
