/**
 * What `vbal set` changed: fields that lie over the config file's, per domain. They are kept as they were written, in a
 * file of their own, so that they outlive the daemon and nobody's config file is rewritten.
 */

import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { THRESHOLD_IDS } from "../agent/monitor/thresholds.ts";
import { type Policy, policyOf } from "../core/policy.ts";
import type { DomainId } from "../core/units.ts";
import { BACK_TO_CONFIG, parseDomainChange } from "../protocol/domain_change.ts";
import { contradictions, withFields } from "../protocol/domain_fields.ts";
import type { Fault } from "../protocol/fault.ts";
import type { MonitorFields } from "../protocol/monitor_fields.ts";

/** Fields as a person writes them; checked before they are kept. */
export type WrittenFields = Readonly<Record<string, unknown>>;
export type Overrides = ReadonlyMap<DomainId, WrittenFields>;

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
  const sent = parseDomainChange(fields, THRESHOLD_IDS);
  if ("faults" in sent) return { errors: sent.faults.map((fault) => sentenceOf(name, fault)) };
  const merged = merge(overrides.get(name) ?? {}, fields as WrittenFields);
  const changed = new Map(overrides).set(name, merged);
  if (Object.keys(merged).length === 0) changed.delete(name);
  const next = withOverrides(policy, changed);
  const faults = contradictionsIn(policy, { name, fields: merged });
  return faults.length > 0 ? { errors: faults } : { overrides: changed, policy: next.policy };
}

/** `refused`: what was set once and contradicts the policy below it by now; it is left out, and each is a sentence. */
export interface LayeredPolicy {
  readonly policy: Policy;
  readonly refused: readonly string[];
}

/** The policy with the overrides over it. Their form was checked when they were set or read. */
export function withOverrides(policy: Policy, overrides: Overrides): LayeredPolicy {
  if (overrides.size === 0) return { policy, refused: [] };
  const refused: string[] = [];
  const domains = Object.assign(Object.create(null) as Record<DomainId, Policy["defaults"]>, policy.domains);
  for (const [name, fields] of overrides) {
    const faults = contradictionsIn(policy, { name, fields });
    if (faults.length === 0) domains[name] = laidOver(policy, { name, fields });
    else refused.push(`What was set by hand is not in force: ${faults.join(" ")}`);
  }
  return { policy: { ...policy, domains }, refused };
}

/** What was set of the load monitors. */
export function monitorOverrides(overrides: Overrides): ReadonlyMap<DomainId, MonitorFields> {
  const found = new Map<DomainId, MonitorFields>();
  for (const [name, fields] of overrides) {
    const read = parseDomainChange(fields, THRESHOLD_IDS);
    if ("value" in read && read.value.monitor !== undefined) found.set(name, read.value.monitor);
  }
  return found;
}

interface Override {
  readonly name: DomainId;
  readonly fields: WrittenFields;
}

function laidOver(policy: Policy, { name, fields }: Override): Policy["defaults"] {
  const read = parseDomainChange(fields, THRESHOLD_IDS);
  return "faults" in read ? policyOf(policy, name) : withFields(policyOf(policy, name), read.value);
}

function contradictionsIn(policy: Policy, change: Override): string[] {
  return contradictions(laidOver(policy, change)).map(({ rule, fix }) => `${change.name}: ${rule}. ${fix}`);
}

function sentenceOf(name: DomainId, { path, rule, value, fix }: Fault): string {
  return `${path === "" ? name : `${name}.${path}`}: ${rule}${value === "" ? "" : `, not ${value}`}. ${fix}`;
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
    const written: unknown = JSON.parse(text);
    if (!isFields(written)) throw new Error("it holds no object");
    for (const [name, fields] of Object.entries(written)) {
      const read = parseDomainChange(fields, THRESHOLD_IDS);
      if ("value" in read) overrides.set(name, fields as WrittenFields);
      else {
        const why = read.faults.map((fault) => sentenceOf(name, fault)).join(" ");
        onFault(`${file}: what was set for ${name} cannot be used and is ignored; set it again. ${why}`);
      }
    }
  } catch (error) {
    onFault(`${file} cannot be used (${String(error)}); what was set by hand is lost, set it again`);
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
    else if (isFields(value)) {
      const inner = merge(isFields(merged[field]) ? merged[field] : {}, value);
      if (Object.keys(inner).length > 0) merged[field] = inner;
      else delete merged[field];
    } else merged[field] = value;
  }
  return merged;
}

function isFields(value: unknown): value is WrittenFields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
