/**
 * What `vbal set` changed: fields that lie over the config file's, per domain. They are kept as they were written, in a
 * file of their own, so that they outlive the daemon and nobody's config file is rewritten.
 */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { type Policy, policyOf } from "../core/policy.ts";
import type { DomainId } from "../core/units.ts";
import { contradictions, domainFields, withFields } from "../protocol/domain_fields.ts";

/** Fields as a person writes them; checked before they are kept. */
export type WrittenFields = Readonly<Record<string, unknown>>;
export type Overrides = ReadonlyMap<DomainId, WrittenFields>;

/** This value of a field takes the override back. */
const BACK_TO_CONFIG = "default";
/** A name longer than this is no domain's. */
const NAME_LENGTH_MAX = 256;

export type OverrideResult =
  | { readonly overrides: Overrides; readonly policy: Policy }
  | { readonly errors: readonly string[] };

/** `fields` laid over what was set before; the result has the new policy, or says why it cannot be. */
export function override(
  policy: Policy,
  overrides: Overrides,
  { name, fields }: { readonly name: DomainId; readonly fields: unknown },
): OverrideResult {
  if (name === "" || NAME_LENGTH_MAX < name.length) {
    return { errors: [`A domain's name has 1 to ${NAME_LENGTH_MAX} characters`] };
  }
  if (typeof fields !== "object" || fields === null || Array.isArray(fields)) {
    return { errors: ['The fields to set must be an object, as in {"weight": 512}'] };
  }
  const merged = merge(overrides.get(name) ?? {}, fields as WrittenFields);
  const checked = domainFields.safeParse(merged);
  if (!checked.success) {
    return {
      errors: checked.error.issues.map(({ path, message }) => `${path.join(".") || name}: ${message}`),
    };
  }
  const changed = new Map(overrides).set(name, merged);
  if (Object.keys(merged).length === 0) changed.delete(name);
  const next = withOverrides(policy, changed);
  const faults = contradictions(policyOf(next, name)).map(({ rule, fix }) => `${name}: ${rule}. ${fix}`);
  return faults.length > 0 ? { errors: faults } : { overrides: changed, policy: next };
}

/** The policy with the overrides over it. They were checked when they were set or read. */
export function withOverrides(policy: Policy, overrides: Overrides): Policy {
  if (overrides.size === 0) return policy;
  const domains = Object.assign(Object.create(null) as Record<DomainId, Policy["defaults"]>, policy.domains);
  for (const [name, fields] of overrides) {
    domains[name] = withFields(policyOf(policy, name), domainFields.parse(fields));
  }
  return { ...policy, domains };
}

/** Reads the file; what cannot be used is left out and named. A file that is not there is no override. */
export function readOverrides(file: string, onFault: (message: string) => void): Overrides {
  const overrides = new Map<DomainId, WrittenFields>();
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") {
      onFault(`Cannot read ${file} (${String(error)}); what was set by hand is not in force`);
    }
    return overrides;
  }
  try {
    for (const [name, fields] of Object.entries(JSON.parse(text) as Record<string, unknown>)) {
      if (domainFields.safeParse(fields).success) overrides.set(name, fields as WrittenFields);
      else onFault(`${file}: what was set for ${name} cannot be used and is ignored; set it again`);
    }
  } catch (error) {
    onFault(`${file} is not JSON (${String(error)}); what was set by hand is lost, set it again`);
  }
  return overrides;
}

/** Replaces the file in one step, so that a kill leaves the old one or the new one. Throws when it cannot be written. */
export function writeOverrides(file: string, overrides: Overrides): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, `${JSON.stringify(Object.fromEntries(overrides), null, 2)}\n`);
  renameSync(`${file}.new`, file);
}

function merge(before: WrittenFields, change: WrittenFields): WrittenFields {
  const merged: Record<string, unknown> = { ...before };
  for (const [field, value] of Object.entries(change)) {
    if (value === BACK_TO_CONFIG) delete merged[field];
    else if (isFields(value) && isFields(merged[field])) merged[field] = merge(merged[field], value);
    else merged[field] = value;
  }
  return merged;
}

function isFields(value: unknown): value is WrittenFields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
