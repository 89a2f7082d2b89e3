/** Loads for tests: a vCPU of which only what matters is said. */
import { QUANTITIES, type Quantity } from "./measure.ts";
import { absent, known, type Reading, type VcpuLoad } from "./vcpu_load.ts";

export function loadOf(
  vcpu: number,
  said: Partial<Record<Quantity, number | null>> & {
    readonly node?: number;
    readonly waiting?: number | null;
  } = {},
): VcpuLoad {
  const readings = Object.fromEntries(
    QUANTITIES.map((quantity): [Quantity, Reading] => {
      const value = said[quantity];
      return [quantity, value === null ? absent("broken") : known(value ?? 0, "test")];
    }),
  ) as Record<Quantity, Reading>;
  return { vcpu, node: said.node ?? 0, waiting: said.waiting === undefined ? 1 : said.waiting, readings };
}
