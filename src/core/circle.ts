/**
 * Finds vCPUs that wait for each other's pCPUs in a circle. "Take, confirm, give" alone would never end there, so the
 * controller lets one of them through: for a moment two vCPUs share a pCPU, and then the rest can move.
 */
import { type BlockedPin, vcpuKey } from "./reconcile.ts";

/** The first pin, in the order given, that waits for itself through others; undefined when there is no circle. */
export function firstOfCircle(blocked: readonly BlockedPin[]): BlockedPin | undefined {
  const waits = new Map(
    blocked.map((pin) => [vcpuKey(pin.command.domain, pin.command.vcpu), pin.waitsFor] as const),
  );
  return blocked.find(({ command }) => reachesItself(vcpuKey(command.domain, command.vcpu), waits));
}

function reachesItself(start: string, waits: ReadonlyMap<string, readonly string[]>): boolean {
  const seen = new Set<string>();
  const open = [...(waits.get(start) ?? [])];
  for (let key = open.pop(); key !== undefined; key = open.pop()) {
    if (key === start) return true;
    if (seen.has(key)) continue;
    seen.add(key);
    open.push(...(waits.get(key) ?? []));
  }
  return false;
}
