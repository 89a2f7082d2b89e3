/** Invariant 7, asked of the host itself: after a clean stop every domain is as it was before vbal came. */
import type { Pcpu } from "../../core/model.ts";
import type { LightDomain } from "./light_host.ts";

/** A sentence for each difference; what somebody else changed is left out. Every pCPU is online by now. */
export function leftIn(
  { id, vcpus, online, emulatorPins, meddled }: LightDomain,
  pcpus: readonly Pcpu[],
): string[] {
  const everywhere = String(pcpus.map((pcpu) => pcpu.id));
  const left: string[] = [];
  for (const [index, { by, pins }] of vcpus) {
    const vcpu = `Invariant 7: ${id}.${index}`;
    if (by === "controller") left.push(`${vcpu} was plugged by vbal and left there by a clean stop`);
    if (by !== null) continue;
    if (!meddled.has("pins") && String(pins) !== everywhere)
      left.push(`${vcpu} came with all pCPUs and was left on ${String(pins)} by a clean stop`);
    if (!meddled.has("online") && !online.has(index))
      left.push(`${vcpu} came in use and was left unused by a clean stop`);
  }
  if (!meddled.has("pins") && String(emulatorPins) !== everywhere)
    left.push(`Invariant 7: the emulator of ${id} was left on ${String(emulatorPins)} by a clean stop`);
  return left;
}
