/** The direct cost of a context switch on this guest, measured when the monitor starts. */
import type { SwitchCost } from "../monitor/vcpu_loads.ts";
import type { Platform } from "../platform.ts";

export function calibrate(platform: Platform): SwitchCost | string {
  const measured = platform.measureSwitches(CALIBRATION_MS);
  if (typeof measured === "string") return `The cost of a switch was not measured: ${measured}`;
  const { sameProcessNs, otherProcessNs } = measured;
  const how = `a switch costs ${Math.round(sameProcessNs)} ns within a process, ${Math.round(otherProcessNs)} ns between two (measured here)`;
  return { sameProcessNs, otherProcessNs, how };
}

/** Long enough for some hundred switches of each kind under emulation; the vCPU is busy with it once. */
const CALIBRATION_MS = 40;
