/** What a sample does not know, as sentences: each reason once, with the measures and the vCPUs that it concerns. */
import { formatRanges } from "../../core/ranges.ts";
import { QUANTITIES } from "./measure.ts";
import type { VcpuLoad } from "./vcpu_load.ts";

export function degradedOf(vcpus: readonly VcpuLoad[]): readonly string[] {
  const reasons = new Map<string, Missing>();
  for (const { vcpu, readings } of vcpus) {
    for (const quantity of QUANTITIES) {
      const reading = readings[quantity];
      if (reading.value !== null) continue;
      // Numbers in a reason differ from vCPU to vCPU; the sentence quotes the first.
      const kind = reading.why.replace(/[\d.]+/g, "#");
      const found = reasons.get(kind) ?? { why: reading.why, quantities: new Set(), vcpus: new Set() };
      found.quantities.add(quantity);
      found.vcpus.add(vcpu);
      reasons.set(kind, found);
    }
  }
  return [...reasons].map(
    ([, { why, quantities, vcpus: on }]) =>
      `Not measured on vCPU ${formatRanges([...on])}: ${[...quantities].join(", ")}. ${why}`,
  );
}

interface Missing {
  readonly why: string;
  readonly quantities: Set<string>;
  readonly vcpus: Set<number>;
}
