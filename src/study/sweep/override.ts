/**
 * Sets a field of a scenario, in the scenario's own words: `machine.costs.vcpuSwitch`, `domains.vm1.vcpus`,
 * `domains.*.workload.set.spin`. A domain goes by its name, its number or `*` for all. Where the scenario says a name in
 * place of a map (`scheduler: credit`, `workload: mm`), a field below it makes that a map with this name.
 */
import { isMap } from "../../sim/scenario/choice.ts";

/** A way into the scenario's value: keys and indexes. */
export type Place = readonly (string | number)[];

type Value = Record<string | number, unknown>;

/** Changes `scenario` and says where; what stands in the way comes back as a sentence. */
export function override(
  scenario: unknown,
  field: string,
  value: unknown,
): { readonly places: readonly Place[] } | { readonly blocked: string } {
  const places = placesOf(scenario, field.split("."));
  if (places.length === 0) return { blocked: `The scenario has no domain that ${field} could mean` };
  for (const place of places) {
    const blocked = put(scenario, place, value);
    if (blocked !== null) return { blocked };
  }
  return { places };
}

function placesOf(scenario: unknown, steps: readonly string[]): Place[] {
  const [first, which, ...rest] = steps;
  const domains = isMap(scenario) ? scenario["domains"] : undefined;
  if (first !== "domains" || which === undefined || !Array.isArray(domains)) return [steps];
  return domains.flatMap((domain: unknown, index): Place[] => {
    const name = isMap(domain) ? domain["name"] : undefined;
    return which === "*" || which === name || which === String(index) ? [["domains", index, ...rest]] : [];
  });
}

function put(scenario: unknown, place: Place, value: unknown): string | null {
  let inner = scenario as Value;
  for (const [depth, step] of place.slice(0, -1).entries()) {
    const next = inner[step];
    const key = NAME_KEYS[String(step)];
    if (next === undefined) inner[step] = {};
    else if (typeof next === "string" && key !== undefined) inner[step] = { [key]: next };
    else if (typeof next !== "object" || next === null) {
      return `At ${place.slice(0, depth + 1).join(".")} stands ${JSON.stringify(next)}, which has no fields`;
    }
    inner = inner[step] as Value;
  }
  inner[place.at(-1)!] = value;
  return null;
}

/** What a name stands for, when a field below it is set. */
const NAME_KEYS: Readonly<Record<string, string>> = {
  scheduler: "kind",
  controller: "kind",
  workload: "name",
};
