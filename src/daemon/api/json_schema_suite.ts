/**
 * JSON Schema as the OpenAPI document uses it: makes values that fit and values that nearly do, and says how an answer does
 * not fit. A property that the schema does not name is a leak, whatever JSON Schema itself thinks of it.
 */
import fc from "fast-check";

export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly items?: JsonSchema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
}

export type Schemas = Readonly<Record<string, JsonSchema>>;

/** Sentences about where `value` does not fit; none when it does. */
export function misfits(schema: JsonSchema, value: unknown, schemas: Schemas, at = ""): string[] {
  const whole = resolved(schema, schemas);
  if (whole.anyOf !== undefined) {
    const each = whole.anyOf.map((one) => misfits(one, value, schemas, at));
    return each.some((none) => none.length === 0) ? [] : each[0]!;
  }
  if (whole.allOf !== undefined) return whole.allOf.flatMap((one) => misfits(one, value, schemas, at));
  if (whole.const !== undefined && whole.const !== value)
    return [`${at}: not ${JSON.stringify(whole.const)}`];
  if (whole.enum !== undefined && !whole.enum.includes(value))
    return [`${at}: not one of ${JSON.stringify(whole.enum)}`];
  const types = whole.type === undefined ? [] : [whole.type].flat();
  if (types.length > 0 && !types.some((type) => isOf(type as string, value))) {
    return [`${at}: ${JSON.stringify(value)} is not ${types.join(" or ")}`];
  }
  if (Array.isArray(value)) {
    return value.flatMap((one, i) =>
      whole.items === undefined ? [] : misfits(whole.items, one, schemas, `${at}[${i}]`),
    );
  }
  if (typeof value === "object" && value !== null)
    return misfitsOfObject(whole, value as Record<string, unknown>, schemas, at);
  if (typeof value === "number" && whole.minimum !== undefined && value < whole.minimum)
    return [`${at}: below ${whole.minimum}`];
  return [];
}

function misfitsOfObject(
  schema: JsonSchema,
  value: Record<string, unknown>,
  schemas: Schemas,
  at: string,
): string[] {
  const { properties = {}, required = [], additionalProperties } = schema;
  const missing = required
    .filter((name) => !Object.hasOwn(value, name))
    .map((name) => `${at}.${name}: missing`);
  const isOpen =
    schema.type === undefined || additionalProperties === true || typeof additionalProperties === "object";
  return missing.concat(
    Object.entries(value).flatMap(([name, inner]) => {
      const known = Object.hasOwn(properties, name) ? properties[name] : undefined;
      if (known !== undefined) return misfits(known, inner, schemas, `${at}.${name}`);
      if (typeof additionalProperties === "object")
        return misfits(additionalProperties, inner, schemas, `${at}.${name}`);
      return isOpen ? [] : [`${at}.${name}: leaks`];
    }),
  );
}

function isOf(type: string, value: unknown): boolean {
  switch (type) {
    case "null":
      return value === null;
    case "integer":
      return Number.isInteger(value);
    case "array":
      return Array.isArray(value);
    case "object":
      return typeof value === "object" && value !== null && !Array.isArray(value);
    default:
      return typeof value === type;
  }
}

/** Values that fit. */
export function fitting(schema: JsonSchema, schemas: Schemas): fc.Arbitrary<unknown> {
  const whole = resolved(schema, schemas);
  if (whole.const !== undefined) return fc.constant(whole.const);
  if (whole.enum !== undefined) return fc.constantFrom(...whole.enum);
  const choices = whole.anyOf;
  if (choices !== undefined) return fc.oneof(...choices.map((one) => fitting(one, schemas)));
  const types = whole.type === undefined ? ["anything"] : [whole.type].flat();
  return fc.oneof(...types.map((type) => fittingOf(type, whole, schemas)));
}

function fittingOf(type: string, schema: JsonSchema, schemas: Schemas): fc.Arbitrary<unknown> {
  const { minimum = -1_000_000, maximum = 1_000_000, minLength = 0, maxLength = 300, pattern } = schema;
  switch (type) {
    case "null":
      return fc.constant(null);
    case "boolean":
      return fc.boolean();
    case "integer":
      return fc.integer({ min: minimum, max: maximum });
    case "number":
      return fc.double({ min: minimum, max: maximum, noNaN: true });
    case "string":
      return pattern === undefined
        ? fc.string({ minLength, maxLength, unit: "grapheme" })
        : fc.stringMatching(new RegExp(pattern, "u"));
    case "array":
      return fc.array(fitting(schema.items ?? {}, schemas), { maxLength: 5 });
    case "object":
      return fittingObject(schema, schemas);
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function fittingObject(schema: JsonSchema, schemas: Schemas): fc.Arbitrary<unknown> {
  const { properties = {}, required = [], additionalProperties } = schema;
  const named = fc.record(
    Object.fromEntries(Object.entries(properties).map(([name, inner]) => [name, fitting(inner, schemas)])),
    { requiredKeys: required.filter((name) => Object.hasOwn(properties, name)) },
  );
  if (typeof additionalProperties !== "object") return named;
  const names = fc.oneof(fc.constantFrom("web", "db"), fc.string({ minLength: 1, maxLength: 20 }));
  const others = fc.dictionary(names, fitting(additionalProperties, schemas), { maxKeys: 3 });
  return fc.tuple(named, others).map(([own, more]) => ({ ...more, ...(own as object) }));
}

/** Values that fit but for one place, and values of no form at all. */
export function broken(schema: JsonSchema, schemas: Schemas): fc.Arbitrary<unknown> {
  const odd = fc.constantFrom<unknown>(
    null,
    -1,
    1e308,
    "",
    "\u0000",
    [],
    {},
    "x".repeat(5_000),
    true,
    "__proto__",
    { __proto__: null },
  );
  return fc.oneof(
    fc
      .tuple(fitting(schema, schemas), fc.string(), odd)
      .map(([value, name, harm]) =>
        typeof value === "object" && value !== null && !Array.isArray(value)
          ? { ...value, [someKey(value, name)]: harm }
          : harm,
      ),
    fc.jsonValue({ maxDepth: 4 }),
    odd,
  );
}

/** One of its own mostly, else a new one. */
function someKey(value: object, name: string): string {
  const keys = Object.keys(value);
  return keys[name.length % (keys.length + 1)] ?? name;
}

function resolved(schema: JsonSchema, schemas: Schemas): JsonSchema {
  if (schema.$ref === undefined) return schema;
  const name = schema.$ref.slice("#/components/schemas/".length);
  const found = schemas[name];
  if (found === undefined)
    throw new Error(`The document names a schema that it does not have: ${schema.$ref}`);
  return found;
}
