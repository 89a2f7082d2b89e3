/** Brings a domain to a vCPU count: takes from the highest number down, gives back from the lowest up. */
import type { Control, SimulatedMechanism } from "../host/control.ts";

export function onlineCount(control: Control, domain: number): number {
  let online = 0;
  for (let i = 0; i < control.vcpusOf(domain); i++) if (control.isOnline(domain, i)) online++;
  return online;
}

export function setOnlineCount(
  control: Control,
  domain: number,
  { count, mechanism }: { count: number; mechanism: SimulatedMechanism },
): void {
  for (let i = 1; i < control.vcpusOf(domain); i++) {
    const wanted = i < count;
    if (control.isOnline(domain, i) !== wanted) control.setOnline(domain, i, wanted, mechanism);
  }
}
