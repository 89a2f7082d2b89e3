/** Holds a located file against a zod schema; what zod objects to comes back as faults with a place, a rule and a fix. */
import type { z } from "zod";
import { closest } from "./closest.ts";
import { type Fault, type FieldPath, renderPath, renderValue } from "./fault.ts";
import type { LocatedYaml } from "./located_yaml.ts";

export type Checked<T> = { readonly value: T } | { readonly faults: readonly Fault[] };

/** `known` lists the keys that a map at a path may have, for "did you mean". */
export function checkShape<T>(
  source: LocatedYaml,
  schema: z.ZodType<T>,
  known: (path: FieldPath) => readonly string[],
): Checked<T> {
  const result = schema.safeParse(source.value);
  if (result.success) return { value: result.data };
  return { faults: inOrder(result.error.issues.flatMap((issue) => faultsOf(source, issue, known))) };
}

/** A fault at the field `path`. */
export function faultAt(
  source: LocatedYaml,
  path: FieldPath,
  what: { readonly rule: string; readonly fix: string; readonly value?: unknown },
): Fault {
  const value = "value" in what ? what.value : valueAt(source.value, path);
  return {
    file: source.file,
    ...source.locate(path),
    path: renderPath(path),
    rule: what.rule,
    value: renderValue(value),
    fix: what.fix,
  };
}

/** In the order of the file. */
export function inOrder(faults: readonly Fault[]): Fault[] {
  return [...faults].sort((a, b) => a.line - b.line || a.column - b.column);
}

function faultsOf(
  source: LocatedYaml,
  issue: z.core.$ZodIssue,
  known: (path: FieldPath) => readonly string[],
): Fault[] {
  const path = issue.path as FieldPath;
  // The schemas are made of fields (fields.ts), maps and lists only, which fail in these three ways.
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => unknownKey(source, [...path, key], known(path)));
  }
  if (issue.code === "invalid_type") return [faultAt(source, path, typeRule(issue.expected))];
  if (issue.code === "custom") return [faultAt(source, path, issue.params as { rule: string; fix: string })];
  throw new Error(`No rule is written for the schema's objection ${issue.code} at ${renderPath(path)}`);
}

function unknownKey(source: LocatedYaml, path: FieldPath, known: readonly string[]): Fault {
  const key = String(path.at(-1));
  const meant = closest(key, known);
  return {
    file: source.file,
    ...source.locateKey(path),
    path: renderPath(path),
    rule: `There is no field ${JSON.stringify(key)} here`,
    value: "",
    fix: meant === null ? `Use one of: ${known.join(", ")}` : `Did you mean ${JSON.stringify(meant)}?`,
  };
}

function typeRule(expected: string): { rule: string; fix: string } {
  return expected === "array"
    ? { rule: "A list must stand here", fix: "Write entries that begin with `- `, or [a, b]" }
    : { rule: "A map of fields must stand here", fix: "Write `name: value` lines, indented below" };
}

function valueAt(value: unknown, path: FieldPath): unknown {
  return path.reduce<unknown>(
    (inner, step) =>
      typeof inner === "object" && inner !== null
        ? (inner as Record<string | number, unknown>)[step]
        : undefined,
    value,
  );
}
