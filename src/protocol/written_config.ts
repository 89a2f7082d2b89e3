/**
 * The config file as it is written, each value already in the unit of the core: its shape, and the keys that each of its
 * maps may have. What is left out, and what contradicts what, is the matter of config.ts and config_faults.ts.
 */
import { z } from "zod";
import type { AdmissionRules } from "../core/admission_rules.ts";
import type { Policy, Rounding } from "../core/policy.ts";
import type { Milliseconds, PcpuId } from "../core/units.ts";
import {
  controlFields,
  controlKeys,
  historyFields,
  historyKeys,
  type WrittenControl,
  type WrittenHistory,
} from "./api_config.ts";
import {
  DOMAIN_KEYS,
  type DomainEntry,
  type DomainFields,
  domainEntry,
  domainEntryKeys,
  domainFields,
  VCPUS_MAX,
} from "./domain_fields.ts";
import type { FieldPath } from "./fault.ts";
import {
  duration,
  field,
  NAME,
  orNone,
  PCPU_LIST,
  path,
  readBytes,
  readDuration,
  readInteger,
  section,
  word,
} from "./fields.ts";
import { type MonitorFields, monitorFields, monitorKeys } from "./monitor_fields.ts";

export interface WrittenConfig {
  readonly pool?: readonly PcpuId[] | null | undefined;
  readonly mode?: Policy["mode"] | undefined;
  readonly rounding?: Rounding | undefined;
  readonly emulator?: readonly PcpuId[] | null | undefined;
  readonly patience?: Partial<Record<keyof Policy["patience"], Milliseconds | undefined>> | undefined;
  readonly interval?: Milliseconds | undefined;
  readonly hypervisor?: WrittenHypervisor | undefined;
  readonly agent?: Partial<Record<"reportEvery" | "patience", Milliseconds | undefined>> | undefined;
  readonly admission?: WrittenAdmission | undefined;
  readonly monitor?: MonitorFields | undefined;
  readonly journal?:
    | { readonly path?: string | undefined; readonly maxBytes?: number | undefined }
    | undefined;
  readonly control?: WrittenControl | undefined;
  readonly history?: WrittenHistory | undefined;
  readonly defaults?: DomainFields | undefined;
  readonly domains?: Readonly<Record<string, DomainEntry>> | undefined;
}

interface WrittenAdmission {
  readonly mode?: AdmissionRules["mode"] | undefined;
  readonly loansMax?: number | null | undefined;
}

export interface WrittenHypervisor {
  readonly kind: "qmp" | "libvirt" | "simulated";
  readonly directory?: string | null | undefined;
  readonly domains?: readonly WrittenQmpDomain[] | undefined;
  readonly spinLooks?: Milliseconds | null | undefined;
  readonly uri?: string | undefined;
  readonly from?: string | undefined;
}

interface WrittenQmpDomain {
  readonly name: string;
  readonly qmp: string;
  readonly agent?: string | undefined;
  readonly qga?: string | undefined;
}

/** Below this a journal would turn over within minutes and replay little. */
const JOURNAL_BYTES_MIN = 64 * 1024;

/** More often, looking would take a monitor's time and show little more. */
const SPIN_LOOKS_MS_MIN: Milliseconds = 100;

const patienceShape = {
  stuckAfter: duration().optional(),
  uncooperativeAfter: duration().optional(),
  retryAfter: duration().optional(),
};

const agentShape = {
  reportEvery: duration().optional(),
  patience: duration().optional(),
};

const admissionShape = {
  mode: word(["demand", "strict"]).optional(),
  loansMax: orNone({
    rule: `A number of loans is a whole number from 0 to ${VCPUS_MAX}`,
    fix: "Write how many vCPUs beyond its entitlement a domain may have",
    read: readInteger({ min: 0, max: VCPUS_MAX }),
  }).optional(),
};

const qmpDomainShape = {
  name: field(NAME),
  qmp: path("socket"),
  agent: path("socket").optional(),
  qga: path("socket").optional(),
};

const hypervisorShape = {
  kind: word(["qmp", "libvirt", "simulated"]),
  directory: orNone({
    rule: "A folder's path must stand here",
    fix: "Write a path; a relative one starts at this file's folder",
    read: (value) => (typeof value === "string" && value !== "" ? value : undefined),
  }).optional(),
  domains: z.array(z.strictObject(qmpDomainShape)).optional(),
  spinLooks: orNone({
    rule: `Looks are from ${SPIN_LOOKS_MS_MIN} ms to 24h apart, a duration with its unit`,
    fix: "Write it as in 1s",
    read: (value) => {
      const ms = readDuration(value);
      return ms !== undefined && SPIN_LOOKS_MS_MIN <= ms ? ms : undefined;
    },
  }).optional(),
  uri: field({
    rule: "A libvirt URI must stand here",
    fix: "Write one as for virsh -c, such as qemu:///system",
    read: (value) => (typeof value === "string" && /^[a-z][a-z0-9+]*:\/\//.test(value) ? value : undefined),
  }).optional(),
  from: path("file").optional(),
};

const journalShape = {
  path: path("file").optional(),
  maxBytes: field({
    rule: `A journal may have at least ${JOURNAL_BYTES_MIN / 1024}KiB`,
    fix: "Write a size as in 64MiB",
    read: (value) => {
      const bytes = readBytes(value);
      return bytes !== undefined && JOURNAL_BYTES_MIN <= bytes ? bytes : undefined;
    },
  }).optional(),
};

const configShape = (measures: readonly string[]) => ({
  mode: word(["enforce", "observe"]).optional(),
  pool: orNone(PCPU_LIST).optional(),
  rounding: word(["floor", "ceil", "largest-remainder"]).optional(),
  emulator: orNone(PCPU_LIST).optional(),
  patience: section(z.strictObject(patienceShape)).optional(),
  interval: duration().optional(),
  hypervisor: z.strictObject(hypervisorShape).optional(),
  agent: section(z.strictObject(agentShape)).optional(),
  admission: section(z.strictObject(admissionShape)).optional(),
  monitor: section(monitorFields(measures)).optional(),
  journal: section(z.strictObject(journalShape)).optional(),
  control: controlFields.optional(),
  history: historyFields.optional(),
  defaults: section(domainFields).optional(),
  domains: section(z.record(z.string(), section(domainEntry(measures)))).optional(),
});

/** `measures`: everything that may have a threshold. */
export function configSchema(measures: readonly string[]): z.ZodType<WrittenConfig> {
  return section(z.strictObject(configShape(measures)));
}

/** The keys that the map at a path may have, for "did you mean". */
export function knownKeys(at: FieldPath, measures: readonly string[]): readonly string[] {
  const [top] = at;
  if (top === undefined) return Object.keys(configShape(measures));
  if (top === "admission") return Object.keys(admissionShape);
  if (top === "monitor") return monitorKeys(at.slice(1), measures);
  if (top === "domains") return domainEntryKeys(at.slice(2), measures);
  if (top === "patience") return Object.keys(patienceShape);
  if (top === "agent") return Object.keys(agentShape);
  if (top === "journal") return Object.keys(journalShape);
  if (top === "control") return controlKeys(at);
  if (top === "history") return historyKeys();
  if (top === "hypervisor") return Object.keys(at.length === 1 ? hypervisorShape : qmpDomainShape);
  return at.at(-1) === "vcpus" ? ["min", "max"] : DOMAIN_KEYS;
}
