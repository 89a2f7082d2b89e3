/**
 * Checks for the fields of a message from the other side, which may be anything at all. Each check returns the value
 * with its type, or throws a `Misfit` that says which field breaks which rule; `parsed` turns that into a result, so
 * that no caller of a parser ever sees an exception.
 */
export function parsed<T>(parse: () => T): Parsed<T> {
  try {
    return { ok: true, message: parse() };
  } catch (error) {
    if (error instanceof Misfit) return { ok: false, why: error.message };
    throw error;
  }
}

export type Parsed<T> =
  | { readonly ok: true; readonly message: T }
  | { readonly ok: false; readonly why: string };

export type Fields = Readonly<Record<string, unknown>>;

/** A field that breaks its rule. */
class Misfit extends Error {}

/** Stops the parse: `path` is the field, `rule` what it should have been. */
export function misfit(path: string, rule: string, value: unknown): never {
  throw new Misfit(`${path} must be ${rule}, not ${shown(value)}`);
}

/** Stops the parse of a message whose kind this version does not have. */
export function unknownKind(kind: unknown): never {
  throw new Misfit(`Unknown kind ${shown(kind)}`);
}

export function fieldsOf(value: unknown, path: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) misfit(path, "an object", value);
  return value as Fields;
}

export function integer(value: unknown, path: string, range: { min: number; max: number }): number {
  const { min, max } = range;
  if (typeof value === "number" && Number.isSafeInteger(value) && min <= value && value <= max) return value;
  return misfit(path, `an integer from ${min} to ${max}`, value);
}

/** With fractions. */
export function quantity(value: unknown, path: string, range: { min: number; max: number }): number {
  const { min, max } = range;
  if (typeof value === "number" && min <= value && value <= max) return value;
  return misfit(path, `a number from ${min} to ${max}`, value);
}

/** `null` stands for none. */
export function orNull<T>(value: unknown, parse: (value: unknown) => T): T | null {
  return value === null ? null : parse(value);
}

export function flag(value: unknown, path: string): boolean {
  return typeof value === "boolean" ? value : misfit(path, "true or false", value);
}

export function text(value: unknown, path: string, length: { min: number; max: number }): string {
  const { min, max } = length;
  if (typeof value === "string" && min <= value.length && value.length <= max) return value;
  return misfit(path, `a string of ${min} to ${max} characters`, value);
}

export function oneOf<const T extends string>(value: unknown, path: string, choices: readonly T[]): T {
  for (const choice of choices) if (value === choice) return choice;
  return misfit(path, `one of ${choices.join(", ")}`, value);
}

export function list<T>(
  value: unknown,
  path: string,
  rule: { max: number; item: (item: unknown, path: string) => T },
): readonly T[] {
  if (!Array.isArray(value) || value.length > rule.max) {
    return misfit(path, `a list of at most ${rule.max} items`, value);
  }
  return value.map((item: unknown, i) => rule.item(item, `${path}[${i}]`));
}

/** Strictly ascending by `key`, hence without doubles. */
export function ascending<T>(items: readonly T[], path: string, key: (item: T) => number): readonly T[] {
  const disorder = items.findIndex((item, i) => i > 0 && key(items[i - 1]!) >= key(item));
  return disorder === -1 ? items : misfit(path, "in ascending order without doubles", key(items[disorder]!));
}

/** A value in a message for a person is cut here: it comes from the other side. */
const SHOWN_CHARS_MAX = 40;

function shown(value: unknown): string {
  if (value === undefined) return "absent";
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === "string") return JSON.stringify(value.slice(0, SHOWN_CHARS_MAX));
  if (typeof value === "number" || typeof value === "boolean") return `${value}`;
  return value === null ? "null" : `a ${typeof value}`;
}
