/** Collects the faults of a file that has the right shape but says something that cannot be. */
import { faultAt } from "../../protocol/check_shape.ts";
import type { Fault, FieldPath } from "../../protocol/fault.ts";
import type { LocatedYaml } from "../../protocol/located_yaml.ts";

/** Says where a fault is, what rule it breaks and what to do. */
export type Complain = (path: FieldPath, rule: string, fix: string) => void;

export function complaintsAt(located: LocatedYaml): {
  readonly complain: Complain;
  readonly faults: Fault[];
} {
  const faults: Fault[] = [];
  return {
    faults,
    complain: (path, rule, fix) => {
      faults.push(faultAt(located, path, { rule, fix, value: undefined }));
    },
  };
}
