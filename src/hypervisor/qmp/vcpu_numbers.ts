/**
 * Which of a QEMU's vCPUs is which of the guest's: QEMU counts places, a guest counts vCPUs in the order in which it
 * met them, so a vCPU that was plugged out of order has two different numbers. The guest's agent tells the firmware's
 * number of each (ACPI's _UID), which on x86 is QEMU's `cpu-index`. Where nobody tells, the guest is taken to count as
 * Linux does: what there was at boot in the firmware's order, then each new place as it comes, once and for all until
 * it boots again.
 *
 * Example: places 0 and 1 at boot, then place 3, then place 2: the guest's numbers are 0, 1, 2 and 3 in that order.
 */
import type { VcpuIndex } from "../../core/units.ts";
import type { CpuInfo } from "./qmp_commands.ts";

/** The guest's number by `cpu-index`; places that were left are remembered. */
export type VcpuNumbers = ReadonlyMap<number, VcpuIndex>;

export interface VcpuNumbering {
  /** In QEMU's order, which is that of their making. */
  readonly cpus: readonly Pick<CpuInfo, "cpu-index">[];
  /** Of this boot of the guest; empty at its start. */
  readonly before: VcpuNumbers;
  /** What the guest says now: the firmware's number by its own. It may lie, and harms only itself. */
  readonly told: ReadonlyMap<VcpuIndex, number>;
}

/** Each vCPU has a number, no two have the same, and 0 is among them. */
export function numberVcpus({ cpus, before, told }: VcpuNumbering): VcpuNumbers {
  const plugged = cpus.map((cpu) => cpu["cpu-index"]);
  const numbers = new Map<number, VcpuIndex>();
  const taken = new Set<VcpuIndex>();
  const give = (place: number, number: VcpuIndex) => {
    if (numbers.has(place) || taken.has(number)) return;
    numbers.set(place, number);
    taken.add(number);
  };
  // The one that starts the machine is vCPU 0 of every guest, whatever a guest says.
  if (plugged.length > 0) give(Math.min(...plugged), 0);
  for (const [number, place] of told) if (plugged.includes(place)) give(place, number);
  for (const [place, number] of before) give(place, number);
  let next = 0;
  for (const place of plugged) {
    while (taken.has(next)) next++;
    give(place, next);
  }
  return numbers;
}

/** A reboot: the firmware lists the places in ascending order, whenever they were filled. */
export function numbersAfterBoot(cpus: VcpuNumbering["cpus"]): VcpuNumbers {
  const ascending = [...cpus].sort((a, b) => a["cpu-index"] - b["cpu-index"]);
  return numberVcpus({ cpus: ascending, before: new Map(), told: new Map() });
}
