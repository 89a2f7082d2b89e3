/**
 * The policy fields of one domain as a person writes them, in the config file, in a host description and in
 * `vbal set`; what is left out keeps the value of the base.
 */
import { z } from "zod";
import { type DomainPolicy, WEIGHT_MAX } from "../core/policy.ts";
import type { MilliPcpu, NodeId } from "../core/units.ts";
import type { FieldPath } from "./fault.ts";
import { type FieldKind, field, orNone, readInteger, readMilliPcpu, word, yesNo } from "./fields.ts";
import { type MonitorFields, monitorFields, monitorKeys } from "./monitor_fields.ts";

/** What may be written; units are those of the core. */
export interface DomainFields {
  readonly managed?: boolean | undefined;
  readonly weight?: number | undefined;
  readonly reservation?: MilliPcpu | undefined;
  readonly cap?: MilliPcpu | null | undefined;
  readonly vcpus?:
    | { readonly min?: number | undefined; readonly max?: number | null | undefined }
    | undefined;
  readonly node?: NodeId | null | undefined;
  readonly placement?: DomainPolicy["placement"] | undefined;
  readonly mechanism?: DomainPolicy["mechanism"] | undefined;
  readonly plug?: boolean | undefined;
}

/** No hypervisor gives a domain more. */
export const VCPUS_MAX = 4096;

const NODE_MAX = 1023;

export const WEIGHT: FieldKind<number> = {
  rule: `A weight is a whole number from 1 to ${WEIGHT_MAX}`,
  fix: "Write a larger number for a larger share; 256 is the usual one",
  read: readInteger({ min: 1, max: WEIGHT_MAX }),
};

const RESERVATION: FieldKind<MilliPcpu> = {
  rule: "A reservation is pCPU time in whole thousandths, 0 or more",
  fix: "Write pCPUs as in 1.5, or thousandths as in 1500m",
  read: readMilliPcpu,
};

const CAP: FieldKind<MilliPcpu> = {
  rule: "A cap is pCPU time in whole thousandths, above 0",
  fix: "Write pCPUs as in 1.5, or thousandths as in 1500m",
  read: (value) => readMilliPcpu(value) || undefined,
};

export const VCPU_COUNT: FieldKind<number> = {
  rule: `A vCPU count is a whole number from 1 to ${VCPUS_MAX}`,
  fix: "Write a number such as 2",
  read: readInteger({ min: 1, max: VCPUS_MAX }),
};

const NODE: FieldKind<NodeId> = {
  rule: `A NUMA node is a whole number from 0 to ${NODE_MAX}`,
  fix: "Write the node's number on the host",
  read: readInteger({ min: 0, max: NODE_MAX }),
};

/** The fields that look the same in every file. */
export const policyShape: {
  readonly managed: z.ZodType<boolean | undefined>;
  readonly weight: z.ZodType<number | undefined>;
  readonly reservation: z.ZodType<MilliPcpu | undefined>;
  readonly cap: z.ZodType<MilliPcpu | null | undefined>;
  readonly node: z.ZodType<NodeId | null | undefined>;
  readonly placement: z.ZodType<DomainPolicy["placement"] | undefined>;
  readonly mechanism: z.ZodType<DomainPolicy["mechanism"] | undefined>;
  readonly plug: z.ZodType<boolean | undefined>;
} = {
  managed: yesNo().optional(),
  weight: field(WEIGHT).optional(),
  reservation: field(RESERVATION).optional(),
  cap: orNone(CAP).optional(),
  node: orNone(NODE).optional(),
  placement: word(["exclusive", "shared"]).optional(),
  mechanism: word(["offline", "isolate"]).optional(),
  plug: yesNo().optional(),
};

export const vcpuBoundsShape: {
  readonly min: z.ZodType<number | undefined>;
  readonly max: z.ZodType<number | null | undefined>;
} = { min: field(VCPU_COUNT).optional(), max: orNone(VCPU_COUNT).optional() };

const domainShape = { ...policyShape, vcpus: z.strictObject(vcpuBoundsShape).optional() };

export const domainFields: z.ZodType<DomainFields> = z.strictObject(domainShape);

/** What may be written about one domain by its name: its policy, and how its load monitor is to work. */
export interface DomainEntry extends DomainFields {
  readonly monitor?: MonitorFields | undefined;
}

/** `measures`: everything that may have a threshold. */
export function domainEntry(measures: readonly string[]): z.ZodType<DomainEntry> {
  return z.strictObject({ ...domainShape, monitor: monitorFields(measures).optional() });
}

/** The keys that a map at `inner` of a domain's entry may have, for "did you mean". */
export function domainEntryKeys(inner: FieldPath, measures: readonly string[]): readonly string[] {
  if (inner.length === 0) return [...DOMAIN_KEYS, "monitor"];
  return inner[0] === "monitor" ? monitorKeys(inner.slice(1), measures) : Object.keys(vcpuBoundsShape);
}

/** The fields of a domain's policy. */
export const DOMAIN_KEYS: readonly string[] = [...Object.keys(policyShape), "vcpus"];

/** The base with the written fields in place of its own. */
export function withFields(base: DomainPolicy, fields: DomainFields): DomainPolicy {
  return {
    managed: fields.managed ?? base.managed,
    weight: fields.weight ?? base.weight,
    reservation: fields.reservation ?? base.reservation,
    cap: fields.cap === undefined ? base.cap : fields.cap,
    vcpusMin: fields.vcpus?.min ?? base.vcpusMin,
    vcpusMax: fields.vcpus?.max === undefined ? base.vcpusMax : fields.vcpus.max,
    node: fields.node === undefined ? base.node : fields.node,
    placement: fields.placement ?? base.placement,
    mechanism: fields.mechanism ?? base.mechanism,
    plug: fields.plug ?? base.plug,
  };
}

/** Two fields of one domain that cannot both hold. */
export interface Contradiction {
  /** Either may be where the person wants to look; the first that was written is shown. */
  readonly paths: readonly FieldPath[];
  readonly rule: string;
  readonly fix: string;
}

export function contradictions(policy: DomainPolicy): Contradiction[] {
  const found: Contradiction[] = [];
  const { reservation, cap, vcpusMin, vcpusMax } = policy;
  if (vcpusMax !== null && vcpusMax < vcpusMin) {
    found.push({
      paths: [
        ["vcpus", "min"],
        ["vcpus", "max"],
      ],
      rule: `vcpus.min (${vcpusMin}) may not exceed vcpus.max (${vcpusMax})`,
      fix: "Lower min or raise max",
    });
  }
  if (cap !== null && cap < reservation) {
    found.push({
      paths: [["reservation"], ["cap"]],
      rule: `The reservation (${pcpus(reservation)} pCPUs) may not exceed the cap (${pcpus(cap)})`,
      fix: "Lower the reservation or raise the cap",
    });
  }
  if (vcpusMax !== null && vcpusMax * 1000 < reservation) {
    found.push({
      paths: [["reservation"], ["vcpus", "max"]],
      rule: `${vcpusMax} vCPUs cannot use a reservation of ${pcpus(reservation)} pCPUs`,
      fix: "Lower the reservation or raise vcpus.max",
    });
  }
  return found;
}

function pcpus(milli: MilliPcpu): string {
  return String(milli / 1000);
}
