/**
 * VCPU-Bal in the simulator: the shipped controller (core/controller.ts) over simulated time. This file carries its
 * commands to the simulated world and tells it what came of them; it takes no decision, and it may stand above any
 * host policy (B-22, B-23).
 *
 * A pin takes effect at once. A guest changes one vCPU after the other, as vbal-agent does, each at the cost of its
 * mechanism; a vCPU without a pCPU cannot empty itself, and the guest waits for it. A command that takes longer than
 * its deadline is told as timed out, while the guest goes on.
 *
 * With `monitor` every guest runs the shipped load monitor and asks for a vCPU when it is short of one (automatic hotplug); the
 * shipped admission answers, and the host's measure of what the domains use goes with every look.
 */
import type { CommandOutcome } from "../../core/event.ts";
import type { BalloonMechanism } from "../../core/model.ts";
import { DEFAULT_DOMAIN_POLICY, DEFAULT_POLICY, type Policy, type Rounding } from "../../core/policy.ts";
import type { Milliseconds, VcpuIndex } from "../../core/units.ts";
import { unreachable } from "../../core/unreachable.ts";
import type { Control, Controller, SimulatedMechanism } from "../host/control.ts";
import { SimulatedMonitor } from "./simulated_monitor.ts";
import { type CommandAction, SimulatedShell } from "./simulated_shell.ts";
import { UseMeter } from "./use_meter.ts";
import { worldSnapshot } from "./world_snapshot.ts";

export interface VcpuBalConfig {
  readonly kind: "vcpu-bal";
  /** Between two looks that nobody asked for, in nanoseconds. Default 1 s, the daemon's. */
  readonly interval?: number;
  /** What taking a vCPU offline costs: light hotplug (B-14), or the stock kernel's. Default `light`. */
  readonly hotplug?: "light" | "stock";
  /** Default `largest-remainder`, the daemon's. */
  readonly rounding?: Rounding;
  /** Guests ask for what they are short of; without it, weights alone decide. Default false. */
  readonly monitor?: boolean;
}

/** A controller is made anew for every run: it has state. */
export function vcpuBal({
  interval = INTERVAL,
  hotplug = "light",
  rounding,
  monitor = false,
}: VcpuBalConfig): Controller {
  let world: Control;
  let shell: SimulatedShell;
  /** Of each domain, the request that its guest is carrying out. */
  const requests = new Map<number, GuestRequest>();

  const nowMs = (): Milliseconds => Math.floor(world.now() / NS_PER_MS);

  let monitors: readonly SimulatedMonitor[] = [];
  let meter: UseMeter;

  function look(): void {
    shell.beginLook();
    const snapshot = worldSnapshot(world, monitor);
    if (monitor) shell.endLook(snapshot, nowMs(), meter.use());
    else shell.endLook(snapshot, nowMs());
  }

  function listen(): void {
    world.arm(MONITOR_TIMER, world.now() + MONITOR_INTERVAL_NS);
    meter.measure();
    const requests = monitors.flatMap((each, d) => (world.isPresent(d) ? (each.sample() ?? []) : []));
    if (requests.length > 0) shell.request(requests, nowMs());
  }

  function ended(id: number, outcome: CommandOutcome): void {
    shell.commandEnded(id, outcome);
    world.arm(SOON_TIMER, world.now() + LOOK_GAP_NS);
  }

  function carryOut(action: CommandAction): void {
    const d = world.domains.indexOf(action.domain);
    switch (action.kind) {
      case "pin-vcpu":
        world.setPins(d, action.vcpu, action.pcpus);
        ended(action.id, { ok: true });
        return;
      case "pin-emulator":
        throw new Error(`${action.domain} has no emulator threads in the simulator, and none was reported`);
      case "set-online":
        requests.set(d, {
          id: action.id,
          online: new Set(action.online),
          mechanism: simulated(action.mechanism, hotplug),
          under: null,
          deadline: world.now() + SET_ONLINE_DEADLINE_NS,
          told: false,
        });
        goOn(d);
        armDeadline();
        return;
      case "plug-vcpu":
      case "unplug-vcpu":
        throw new Error(`${action.domain} has no free slot in the simulator, and none was reported`);
      default:
        unreachable(action);
    }
  }

  /** The guest's next vCPU; when there is none left, the guest confirms. */
  function goOn(d: number): void {
    const request = requests.get(d);
    if (request === undefined) return;
    for (let index = 1; index < world.vcpusOf(d); index++) {
      const online = request.online.has(index);
      if (world.isOnline(d, index) === online) continue;
      request.under = index;
      world.setOnline(d, index, online, request.mechanism);
      return;
    }
    requests.delete(d);
    if (!request.told) ended(request.id, { ok: true });
  }

  function armDeadline(): void {
    const open = [...requests.values()].filter(({ told }) => !told).map(({ deadline }) => deadline);
    world.arm(DEADLINE_TIMER, Math.min(...open));
  }

  function endLate(): void {
    for (const [d, request] of requests) {
      if (request.told || world.now() < request.deadline) continue;
      request.told = true;
      const why = `The guest of ${world.domains[d]} was not done after ${SET_ONLINE_DEADLINE_NS / NS_PER_MS} ms`;
      ended(request.id, { ok: false, failure: "timed-out", why });
    }
    armDeadline();
  }

  return {
    start(control) {
      world = control;
      shell = new SimulatedShell({
        policy: policyOf(control, rounding),
        carryOut,
        wakeAt: (at) => world.arm(WAKE_TIMER, Math.max(at * NS_PER_MS, world.now())),
      });
      shell.start(nowMs());
      monitors = control.domains.map((_, d) => new SimulatedMonitor(control, d));
      meter = new UseMeter(control);
      if (monitor) world.arm(MONITOR_TIMER, MONITOR_INTERVAL_NS);
      // Domains that power on at time 0 are there when it looks.
      world.arm(TICK_TIMER, LOOK_GAP_NS);
    },
    onTimer(_, timer) {
      switch (timer) {
        case TICK_TIMER:
          world.arm(TICK_TIMER, world.now() + interval);
          look();
          return;
        case MONITOR_TIMER:
          listen();
          return;
        case DEADLINE_TIMER:
          endLate();
          return;
        default:
          look();
      }
    },
    onBallooned(_, d, index) {
      if (requests.get(d)?.under === index) goOn(d);
    },
  };
}

interface GuestRequest {
  readonly id: number;
  readonly online: ReadonlySet<VcpuIndex>;
  readonly mechanism: SimulatedMechanism;
  /** The vCPU that is on its way. */
  under: VcpuIndex | null;
  readonly deadline: number;
  /** The controller has given up waiting. */
  told: boolean;
}

const TICK_TIMER = 0;
const SOON_TIMER = 1;
const WAKE_TIMER = 2;
const DEADLINE_TIMER = 3;
const MONITOR_TIMER = 4;
const NS_PER_MS = 1_000_000;
const INTERVAL = 1_000 * NS_PER_MS;
/** As the agent's. */
const MONITOR_INTERVAL_NS = 1_000 * NS_PER_MS;
/** As the daemon: looks that are asked for in a burst become one. */
const LOOK_GAP_NS = 10 * NS_PER_MS;
/** As the daemon's. */
const SET_ONLINE_DEADLINE_NS = 15_000 * NS_PER_MS;

/** The default policy with the weights and caps that the domains have on their host. */
function policyOf(control: Control, rounding: Rounding = DEFAULT_POLICY.rounding): Policy {
  const domains = control.domains.map((name, d) => [
    name,
    { ...DEFAULT_DOMAIN_POLICY, weight: control.weightOf(d), cap: control.capOf(d) || null },
  ]);
  return { ...DEFAULT_POLICY, rounding, domains: Object.fromEntries(domains) };
}

function simulated(mechanism: BalloonMechanism, hotplug: "light" | "stock"): SimulatedMechanism {
  if (mechanism === "isolate") return "isolate";
  return hotplug === "light" ? "offline" : "stock-hotplug";
}
