/**
 * Every controller of the simulator by name, and their combination: what changes pins, vCPU counts and guests' loads
 * while a world runs, described as plain data. Host schedulers are elsewhere (host_scheduler/); any controller goes with
 * any of them.
 */
import { unreachable } from "../../core/unreachable.ts";
import type { Control, Controller } from "../host/control.ts";
import { CONTROL_TIMERS } from "../world.ts";
import { type AffinityConfig, affinity } from "./affinity.ts";
import { type DynamicAllocationConfig, dynamicAllocation } from "./dynamic_allocation.ts";
import { type PreferredVcpusConfig, preferredVcpus } from "./preferred_vcpus.ts";
import { type ScriptConfig, script } from "./script.ts";
import { type TimeBalloonConfig, timeBalloon } from "./time_balloon.ts";
import { type VcpuBalConfig, vcpuBal } from "./vcpu_bal.ts";
import { type VscaleConfig, vscale } from "./vscale.ts";

export type ControllerConfig =
  | AffinityConfig
  | VcpuBalConfig
  | VscaleConfig
  | PreferredVcpusConfig
  | DynamicAllocationConfig
  | TimeBalloonConfig
  | ScriptConfig;

/** Each of several controllers has this many timers; so there can be eight. */
const TIMERS_EACH = 8;

/** One controller that is all of these; made anew for every run, since it has state. */
export function createController(configs: readonly ControllerConfig[]): Controller {
  return together(configs.map(create));
}

/** All of these at once, each with timers of its own. */
export function together(all: readonly Controller[]): Controller {
  if (all.length * TIMERS_EACH > CONTROL_TIMERS) {
    throw new Error(
      `${all.length} controllers; there may be ${CONTROL_TIMERS / TIMERS_EACH}, give the run fewer`,
    );
  }
  const views: Control[] = [];
  return {
    start(control) {
      all.forEach((controller, i) => {
        views[i] = { ...control, arm: (timer, at) => control.arm(i * TIMERS_EACH + timer, at) };
        controller.start(views[i]);
      });
    },
    onTimer(_, timer) {
      const i = Math.floor(timer / TIMERS_EACH);
      all[i].onTimer(views[i], timer % TIMERS_EACH);
    },
    onBallooned(_, domain, index) {
      all.forEach((controller, i) => {
        controller.onBallooned?.(views[i], domain, index);
      });
    },
  };
}

function create(config: ControllerConfig): Controller {
  switch (config.kind) {
    case "affinity":
      return affinity();
    case "vcpu-bal":
      return vcpuBal(config);
    case "vscale":
      return vscale(config);
    case "preferred-vcpus":
      return preferredVcpus(config);
    case "dynamic-allocation":
      return dynamicAllocation(config);
    case "time-balloon":
      return timeBalloon(config);
    case "script":
      return script(config);
    default:
      return unreachable(config);
  }
}
