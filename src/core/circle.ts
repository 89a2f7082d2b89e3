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
  // Nearly always nobody is left, and that is found in one pass, however many wait.
  const endless = waitingForEver(waits);
  return blocked.find(({ command }) => reachesItself(vcpuKey(command.domain, command.vcpu), endless));
}

type Waits = ReadonlyMap<string, readonly string[]>;

/** Without those whose turn comes when all that they wait for have moved: what is left is in a circle or waits for one. */
function waitingForEver(waits: Waits): Waits {
  const waiters = new Map<string, string[]>();
  const openOf = new Map<string, number>();
  for (const [key, waitsFor] of waits) {
    const open = waitsFor.filter((other) => waits.has(other));
    openOf.set(key, open.length);
    for (const other of open) {
      const known = waiters.get(other);
      if (known === undefined) waiters.set(other, [key]);
      else known.push(key);
    }
  }
  const free = [...openOf].filter(([, open]) => open === 0).map(([key]) => key);
  for (let key = free.pop(); key !== undefined; key = free.pop()) {
    openOf.delete(key);
    for (const waiter of waiters.get(key) ?? []) {
      const open = openOf.get(waiter)! - 1;
      openOf.set(waiter, open);
      if (open === 0) free.push(waiter);
    }
  }
  return new Map([...waits].filter(([key]) => openOf.has(key)));
}

function reachesItself(start: string, waits: Waits): boolean {
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
