/**
 * Schemas that depend on what stands there: a step by its `do`, a scheduler by its `kind`, a time that is either a
 * text or a map. The faults are those of the chosen schema alone, at their places.
 */
import { z } from "zod";
import type { FieldPath } from "../../protocol/fault.ts";

export interface Refusal {
  readonly rule: string;
  readonly fix: string;
}

type Pick<T> = (value: unknown) => z.ZodType<T> | Refusal;

const picks = new WeakMap<z.core.$ZodType, Pick<unknown>>();

/** `pick` looks at the value and names its schema, or refuses it. */
export function choice<T>(pick: Pick<T>): z.ZodType<T> {
  const schema = z.unknown().transform((input, context): T => {
    const picked = pick(input);
    if (isRefusal(picked)) {
      context.issues.push({ code: "custom", input, message: picked.rule, params: { ...picked } });
      return z.NEVER;
    }
    const result = picked.safeParse(input);
    if (result.success) return result.data;
    for (const issue of result.error.issues) context.issues.push({ ...issue, input } as z.core.$ZodRawIssue);
    return z.NEVER;
  });
  picks.set(schema, pick);
  return schema;
}

/** Is it a map, as opposed to a list, a text or a number? */
export function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The schema for the word under `key`, as in `do: compute`. */
export function byWord<T>(
  key: string,
  what: string,
  schemas: Readonly<Record<string, z.ZodType<T>>>,
): (value: unknown) => z.ZodType<T> | Refusal {
  const names = Object.keys(schemas).join(", ");
  return (value) => {
    const name = isMap(value) ? value[key] : undefined;
    if (typeof name === "string" && Object.hasOwn(schemas, name)) return schemas[name]!;
    const fix = `Write \`${key}:\` with one of: ${names}`;
    return typeof name === "string"
      ? { rule: `There is no ${what} ${JSON.stringify(name)}`, fix }
      : { rule: `A ${what} is a map with the field \`${key}\``, fix };
  };
}

/** The keys that the map at `path` may have, found by walking the schema along the value. */
export function knownKeysOf(schema: z.core.$ZodType, value: unknown, path: FieldPath): readonly string[] {
  const pick = picks.get(schema);
  if (pick !== undefined) {
    const picked = pick(value);
    return isRefusal(picked) ? [] : knownKeysOf(picked, value, path);
  }
  const { def } = schema._zod as unknown as { readonly def: SchemaDef };
  const around = def.innerType ?? def.in ?? def.getter?.();
  if (around !== undefined) return knownKeysOf(around, value, path);
  const [step, ...rest] = path;
  if (step === undefined) return Object.keys(def.shape ?? {});
  const inner = def.shape?.[step] ?? def.element ?? def.valueType;
  const innerValue = (value as Readonly<Record<string | number, unknown>> | undefined)?.[step];
  return inner === undefined ? [] : knownKeysOf(inner, innerValue, rest);
}

/** What zod keeps of the kinds of schema used here: objects, lists, records; optional, transformed, recursive ones. */
interface SchemaDef {
  readonly shape?: Readonly<Record<string, z.core.$ZodType>>;
  readonly element?: z.core.$ZodType;
  readonly valueType?: z.core.$ZodType;
  readonly innerType?: z.core.$ZodType;
  readonly in?: z.core.$ZodType;
  readonly getter?: () => z.core.$ZodType;
}

function isRefusal(picked: z.core.$ZodType | Refusal): picked is Refusal {
  return "rule" in picked;
}
