/** What a policy sees of the world: the implementation of `Host`. */
import { bits } from "../engine/draw.ts";
import { EVENT_POLICY } from "../engine/event_kinds.ts";
import type { Host } from "../host_scheduler/policy.ts";
import { VCPU_OFFLINE, VCPU_RUNNABLE, VCPU_RUNNING } from "../tables.ts";
import { POLICY_TIMERS_EXTRA, type World } from "../world.ts";
import { askReschedule, setHeld } from "./dispatch.ts";
import { inKernel } from "./settle.ts";

export function createHost(w: World): Host {
  const { pcpus, vcpus, domains } = w;
  return {
    pcpus: pcpus.count,
    vcpus: vcpus.count,
    domains: domains.count,
    policyTimers: pcpus.count + POLICY_TIMERS_EXTRA,
    now: () => w.now,
    domainOf: (v) => vcpus.domain[v],
    indexOf: (v) => vcpus.index[v],
    firstVcpuOf: (d) => domains.firstVcpu[d],
    vcpuCountOf: (d) => domains.vcpuCount[d],
    weightOf: (d) => domains.weight[d],
    capOf: (d) => domains.cap[d],
    isRunnable: (v) => vcpus.state[v] >= VCPU_RUNNABLE,
    isRunning: (v) => vcpus.state[v] === VCPU_RUNNING,
    isOnline: (v) => vcpus.state[v] !== VCPU_OFFLINE,
    running: (p) => pcpus.current[p],
    isIdle: (p) => pcpus.current[p] < 0 && pcpus.reschedule[p] === 0,
    pcpuOf: (v) => vcpus.pcpu[v],
    lastPcpuOf: (v) => vcpus.lastPcpu[v],
    allowed: (v, p) => vcpus.allowed[v * pcpus.count + p] === 1,
    ranOf: (v) =>
      vcpus.state[v] === VCPU_RUNNING && w.now > vcpus.mark[v]
        ? vcpus.ran[v] + w.now - vcpus.mark[v]
        : vcpus.ran[v],
    inKernel: (v) => inKernel(w, v),
    hasInterrupt: (v) => vcpus.irqs[v] !== 0,
    coreOf: (p) => pcpus.core[p],
    llcOf: (p) => pcpus.llc[p],
    nodeOf: (p) => pcpus.node[p],
    reschedule: (p) => askReschedule(w, p),
    hold: (v, why) => setHeld(w, v, why),
    arm: (timer, at) => w.timers.arm(EVENT_POLICY, timer, at),
    draw: (what, n) => bits(w.key ^ Math.imul(what + 1, 0x27d4eb2f), n),
  };
}
