/**
 * A change to one domain's policy and load monitor, as `vbal set` and `vbal agent-config` send it: POST
 * /v1/domains/NAME with fields of the config file.
 */
import { parse } from "yaml";
import { type Checked, checkShape } from "./check_shape.ts";
import { type DomainEntry, domainEntry, domainEntryKeys } from "./domain_fields.ts";
import type { FieldPath } from "./fault.ts";
import type { LocatedYaml } from "./located_yaml.ts";

/** In place of a value: what the config file says holds again. */
export const BACK_TO_CONFIG = "default";

/**
 * Holds what was sent (plain data) against the rules of the config file; fields that go back to it are passed over.
 * `measures`: everything that may have a threshold.
 */
export function parseDomainChange(sent: unknown, measures: readonly string[]): Checked<DomainEntry> {
  const known = (path: FieldPath) => domainEntryKeys(path, measures);
  const value = withoutDefaults(sent, [], known);
  const nowhere = { line: 1, column: 1 };
  const source: LocatedYaml = { file: "change", value, locate: () => nowhere, locateKey: () => nowhere };
  return checkShape(source, domainEntry(measures), known);
}

/** A field that does not exist stays, whatever it goes back to, so that it is refused. */
function withoutDefaults(
  value: unknown,
  path: FieldPath,
  known: (path: FieldPath) => readonly string[],
): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const kept = Object.entries(value).filter(
    ([key, inner]) => inner !== BACK_TO_CONFIG || !known(path).includes(key),
  );
  return Object.fromEntries(kept.map(([key, inner]) => [key, withoutDefaults(inner, [...path, key], known)]));
}

/** "weight=512", "vcpus.max=4" as the fields of a config file. */
export function parsePolicyAssignments(
  assignments: readonly string[],
): { readonly value: Readonly<Record<string, unknown>> } | { readonly problem: string } {
  const value: Record<string, unknown> = {};
  for (const assignment of assignments) {
    const match = /^([A-Za-z]+)(?:\.([A-Za-z]+))?=(.*)$/s.exec(assignment);
    if (match === null) {
      return {
        problem: `${JSON.stringify(assignment)} is no FIELD=VALUE. Write it as in weight=512 or vcpus.max=4`,
      };
    }
    const [, outer, inner, text] = match as unknown as [string, string, string | undefined, string];
    const scalar = readScalar(text);
    if (inner === undefined) value[outer] = scalar;
    else value[outer] = { ...(value[outer] as object | undefined), [inner]: scalar };
  }
  return { value };
}

/** "vm.composite=1.5", "on=false" as the fields of `monitor`: ids of measures hold points, so that they are no paths. */
export function parseMonitorAssignments(
  assignments: readonly string[],
): { readonly value: Readonly<Record<string, unknown>> } | { readonly problem: string } {
  const value: Record<string, unknown> = {};
  // No prototype: nothing that is typed may be a property of every object.
  const thresholds = Object.create(null) as Record<string, unknown>;
  for (const assignment of assignments) {
    const [, name, text] = /^([^=]+)=(.*)$/s.exec(assignment) ?? [];
    if (name === undefined || text === undefined) {
      return {
        problem: `${JSON.stringify(assignment)} is no MEASURE=VALUE. Write it as in vm.composite=1.5`,
      };
    }
    if (name === "on" || name === "measuresEvery") value[name] = readScalar(text);
    else thresholds[name] = readScalar(text);
  }
  if (Object.keys(thresholds).length > 0) value["thresholds"] = { ...thresholds };
  return { value };
}

/** As YAML reads it; what is no YAML stays text, and the rules of the field say what is wrong. */
function readScalar(text: string): unknown {
  try {
    return parse(text) as unknown;
  } catch {
    return text;
  }
}
