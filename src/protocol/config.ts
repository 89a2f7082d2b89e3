/**
 * The daemon's config file: YAML 1.2, every field optional, none unknown. examples/vbal.yaml shows and explains all
 * of them. Pure: text in, a complete config or all faults out.
 */
import { z } from "zod";
import {
  DEFAULT_DOMAIN_POLICY,
  DEFAULT_POLICY,
  type DomainPolicy,
  type Policy,
  type Rounding,
} from "../core/policy.ts";
import type { DomainId, Milliseconds, PcpuId } from "../core/units.ts";
import { checkShape, faultAt, inOrder } from "./check_shape.ts";
import { contradictions, DOMAIN_KEYS, type DomainFields, domainFields, withFields } from "./domain_fields.ts";
import type { Fault, FieldPath } from "./fault.ts";
import {
  duration,
  field,
  NAME,
  orNone,
  PCPU_LIST,
  path,
  readBytes,
  readName,
  section,
  word,
} from "./fields.ts";
import { type LocatedYaml, parseLocatedYaml } from "./located_yaml.ts";

export interface Config {
  readonly policy: Policy;
  /** How often the daemon observes when nothing happens. */
  readonly interval: Milliseconds;
  readonly hypervisor: HypervisorConfig;
  readonly agent: AgentConfig;
  readonly journal: { readonly path: string; readonly maxBytes: number };
  readonly control: { readonly socket: string };
}

export type HypervisorConfig =
  | {
      readonly kind: "qmp";
      /** Every socket in it that ends in `.qmp` is a domain; `null` for none. */
      readonly directory: string | null;
      /** Domains named one by one, besides those of the directory. */
      readonly domains: readonly QmpDomain[];
    }
  /** A host that exists in a host description only (host_file.ts). */
  | { readonly kind: "simulated"; readonly from: string };

/** What the host asks of vbal's own agent in each guest. */
export interface AgentConfig {
  /** How often it reports of its own accord. */
  readonly reportEvery: Milliseconds;
  /** A guest that has not heard from the host for this long gives itself every vCPU back. */
  readonly patience: Milliseconds;
}

export interface QmpDomain {
  readonly name: DomainId;
  /** Paths of sockets: QEMU's monitor, our agent's channel, the stock guest agent's. */
  readonly qmp: string;
  readonly agent: string | null;
  readonly qga: string | null;
}

export const DEFAULT_CONFIG_FILE = "/etc/vbal/vbal.yaml";

export const DEFAULT_CONFIG: Config = {
  policy: DEFAULT_POLICY,
  interval: 1000,
  hypervisor: { kind: "qmp", directory: "/run/vbal/qmp", domains: [] },
  agent: { reportEvery: 3_000, patience: 60_000 },
  journal: { path: "/var/lib/vbal/journal.jsonl", maxBytes: 64 * 1024 * 1024 },
  control: { socket: "/run/vbal/control.sock" },
};

export type ConfigResult = { readonly config: Config } | { readonly errors: readonly Fault[] };

/** Relative paths in the file start at the file's own folder. */
export function parseConfig(source: { readonly file: string; readonly text: string }): ConfigResult {
  const located = parseLocatedYaml(source);
  if (Array.isArray(located)) return { errors: located };
  const written = checkShape(located, configSchema, knownKeys);
  if ("faults" in written) return { errors: written.faults };
  const policy = policyFrom(written.value);
  const errors = [
    ...policyFaults(located, written.value, policy),
    ...hypervisorFaults(located, written.value),
    ...agentFaults(located, written.value),
  ];
  if (errors.length > 0) return { errors: inOrder(errors) };
  return { config: complete(written.value, policy, folderOf(source.file)) };
}

/** The file as it is written, each value already in the unit of the core. */
interface WrittenConfig {
  readonly pool?: readonly PcpuId[] | null | undefined;
  readonly rounding?: Rounding | undefined;
  readonly emulator?: readonly PcpuId[] | null | undefined;
  readonly patience?: Partial<Record<keyof Policy["patience"], Milliseconds | undefined>> | undefined;
  readonly interval?: Milliseconds | undefined;
  readonly hypervisor?: WrittenHypervisor | undefined;
  readonly agent?: Partial<Record<keyof AgentConfig, Milliseconds | undefined>> | undefined;
  readonly journal?:
    | { readonly path?: string | undefined; readonly maxBytes?: number | undefined }
    | undefined;
  readonly control?: { readonly socket?: string | undefined } | undefined;
  readonly defaults?: DomainFields | undefined;
  readonly domains?: Readonly<Record<string, DomainFields>> | undefined;
}

interface WrittenHypervisor {
  readonly kind: HypervisorConfig["kind"];
  readonly directory?: string | null | undefined;
  readonly domains?: readonly WrittenQmpDomain[] | undefined;
  readonly from?: string | undefined;
}

interface WrittenQmpDomain {
  readonly name: string;
  readonly qmp: string;
  readonly agent?: string | undefined;
  readonly qga?: string | undefined;
}

/** More often, the reports would cost the guest what ballooning saves; agents refuse it. */
const REPORT_EVERY_MS_MIN = 100;
/** A patience of fewer intervals would take a host that answers late for one that is lost. */
const PATIENCE_INTERVALS_MIN = 5;
/** Below a second a busy host looks lost; agents refuse it. */
const PATIENCE_MS_MIN = 1_000;

/** Below this a journal would turn over within minutes and replay little. */
const JOURNAL_BYTES_MIN = 64 * 1024;

const patienceShape = {
  stuckAfter: duration().optional(),
  uncooperativeAfter: duration().optional(),
  retryAfter: duration().optional(),
};

const agentShape = {
  reportEvery: duration().optional(),
  patience: duration().optional(),
};

const qmpDomainShape = {
  name: field(NAME),
  qmp: path("socket"),
  agent: path("socket").optional(),
  qga: path("socket").optional(),
};

const hypervisorShape = {
  kind: word(["qmp", "simulated"]),
  directory: orNone({
    rule: "A folder's path must stand here",
    fix: "Write a path; a relative one starts at this file's folder",
    read: (value) => (typeof value === "string" && value !== "" ? value : undefined),
  }).optional(),
  domains: z.array(z.strictObject(qmpDomainShape)).optional(),
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

const configShape = {
  pool: orNone(PCPU_LIST).optional(),
  rounding: word(["floor", "ceil", "largest-remainder"]).optional(),
  emulator: orNone(PCPU_LIST).optional(),
  patience: section(z.strictObject(patienceShape)).optional(),
  interval: duration().optional(),
  hypervisor: z.strictObject(hypervisorShape).optional(),
  agent: section(z.strictObject(agentShape)).optional(),
  journal: section(z.strictObject(journalShape)).optional(),
  control: section(z.strictObject({ socket: path("socket").optional() })).optional(),
  defaults: section(domainFields).optional(),
  domains: section(z.record(z.string(), section(domainFields))).optional(),
};

const configSchema: z.ZodType<WrittenConfig> = section(z.strictObject(configShape));

function knownKeys(at: FieldPath): readonly string[] {
  const [top, , third] = at;
  if (top === undefined) return Object.keys(configShape);
  if (top === "patience") return Object.keys(patienceShape);
  if (top === "agent") return Object.keys(agentShape);
  if (top === "journal") return Object.keys(journalShape);
  if (top === "control") return ["socket"];
  if (top === "hypervisor") return Object.keys(at.length === 1 ? hypervisorShape : qmpDomainShape);
  return third === "vcpus" || at.at(-1) === "vcpus" ? ["min", "max"] : DOMAIN_KEYS;
}

function policyFrom(written: WrittenConfig): Policy {
  const defaults = withFields(DEFAULT_DOMAIN_POLICY, written.defaults ?? {});
  // No prototype: a domain may be named "constructor".
  const domains = Object.create(null) as Record<DomainId, DomainPolicy>;
  for (const [name, fields] of Object.entries(written.domains ?? {}))
    domains[name] = withFields(defaults, fields);
  const { patience } = DEFAULT_POLICY;
  return {
    pool: written.pool ?? null,
    rounding: written.rounding ?? DEFAULT_POLICY.rounding,
    emulatorPcpus: written.emulator ?? null,
    patience: {
      stuckAfter: written.patience?.stuckAfter ?? patience.stuckAfter,
      uncooperativeAfter: written.patience?.uncooperativeAfter ?? patience.uncooperativeAfter,
      retryAfter: written.patience?.retryAfter ?? patience.retryAfter,
    },
    admission: DEFAULT_POLICY.admission,
    defaults,
    domains,
  };
}

function policyFaults(located: LocatedYaml, written: WrittenConfig, policy: Policy): Fault[] {
  const faults: Fault[] = [];
  if (policy.pool?.every((pcpu) => policy.emulatorPcpus?.includes(pcpu)) === true) {
    faults.push(
      faultAt(located, ["emulator"], {
        rule: "The pCPUs set apart for emulators leave none of the pool to divide",
        fix: "Name other pCPUs here, or fewer",
        value: undefined,
      }),
    );
  }
  const { stuckAfter, uncooperativeAfter } = policy.patience;
  if (uncooperativeAfter < stuckAfter) {
    const at = written.patience?.uncooperativeAfter === undefined ? "stuckAfter" : "uncooperativeAfter";
    faults.push(
      faultAt(located, ["patience", at], {
        rule: `stuckAfter (${stuckAfter} ms) may not exceed uncooperativeAfter (${uncooperativeAfter} ms)`,
        fix: "Raise uncooperativeAfter or lower stuckAfter",
        value: undefined,
      }),
    );
  }
  if (written.defaults !== undefined)
    faults.push(...domainFaults(located, ["defaults"], written.defaults, policy.defaults));
  for (const [name, fields] of Object.entries(written.domains ?? {})) {
    const at = ["domains", name];
    if (readName(name) === undefined)
      faults.push({ ...faultAt(located, at, { ...NAME, value: name }), ...located.locateKey(at) });
    faults.push(...domainFaults(located, at, fields, policy.domains[name]!));
  }
  return faults;
}

function domainFaults(
  located: LocatedYaml,
  at: FieldPath,
  fields: DomainFields,
  policy: DomainPolicy,
): Fault[] {
  return contradictions(policy).map(({ paths, rule, fix }) => {
    // The rule names both values; the place is the first of the two fields that this entry wrote itself.
    const written = paths.find((inner) => isWritten(fields, inner)) ?? [];
    return faultAt(located, [...at, ...written], { rule, fix, value: undefined });
  });
}

function isWritten(fields: DomainFields, inner: FieldPath): boolean {
  const value = inner.reduce<unknown>(
    (part, step) => (part as Record<string, unknown> | undefined)?.[step],
    fields,
  );
  return value !== undefined;
}

function hypervisorFaults(located: LocatedYaml, written: WrittenConfig): Fault[] {
  const { hypervisor } = written;
  if (hypervisor === undefined) return [];
  const misplaced = hypervisor.kind === "qmp" ? (["from"] as const) : (["directory", "domains"] as const);
  const faults = misplaced
    .filter((key) => hypervisor[key] !== undefined)
    .map((key) => ({
      ...faultAt(located, ["hypervisor", key], {
        rule: `A hypervisor of kind ${hypervisor.kind} has no field ${JSON.stringify(key)}`,
        fix: "Remove it, or change kind",
        value: undefined,
      }),
      ...located.locateKey(["hypervisor", key]),
    }));
  if (hypervisor.kind === "simulated" && hypervisor.from === undefined) {
    faults.push(
      faultAt(located, ["hypervisor"], {
        rule: "A simulated hypervisor needs a host description",
        fix: "Add `from: FILE`, for example examples/paper-12pcpu.yaml",
        value: undefined,
      }),
    );
  }
  const seen = new Set<string>();
  for (const [index, { name }] of (hypervisor.domains ?? []).entries()) {
    if (seen.has(name)) {
      faults.push(
        faultAt(located, ["hypervisor", "domains", index, "name"], {
          rule: `A domain stands only once in this list; ${JSON.stringify(name)} stands twice`,
          fix: "Remove one entry or correct its name",
          value: undefined,
        }),
      );
    }
    seen.add(name);
  }
  return faults;
}

function agentFaults(located: LocatedYaml, written: WrittenConfig): Fault[] {
  const { reportEvery, patience } = completeAgent(written.agent);
  const faults: Fault[] = [];
  if (reportEvery < REPORT_EVERY_MS_MIN) {
    faults.push(
      faultAt(located, ["agent", "reportEvery"], {
        rule: `An agent reports every ${REPORT_EVERY_MS_MIN} ms or more rarely`,
        fix: "Write a longer time, as in 1s",
        value: `${reportEvery}ms`,
      }),
    );
  }
  const patienceMin = Math.max(PATIENCE_MS_MIN, PATIENCE_INTERVALS_MIN * reportEvery);
  if (patience < patienceMin) {
    const at = written.agent?.patience === undefined ? "reportEvery" : "patience";
    faults.push(
      faultAt(located, ["agent", at], {
        rule: `An agent's patience (${patience} ms) is at least a second and ${PATIENCE_INTERVALS_MIN} times reportEvery (${reportEvery} ms)`,
        fix: "Raise patience or lower reportEvery",
        value: undefined,
      }),
    );
  }
  return faults;
}

function completeAgent(written: WrittenConfig["agent"]): AgentConfig {
  return {
    reportEvery: written?.reportEvery ?? DEFAULT_CONFIG.agent.reportEvery,
    patience: written?.patience ?? DEFAULT_CONFIG.agent.patience,
  };
}

function complete(written: WrittenConfig, policy: Policy, folder: string): Config {
  const at = (relative: string): string => (relative.startsWith("/") ? relative : `${folder}/${relative}`);
  return {
    policy,
    interval: written.interval ?? DEFAULT_CONFIG.interval,
    hypervisor: completeHypervisor(written.hypervisor, at),
    agent: completeAgent(written.agent),
    journal: {
      path: at(written.journal?.path ?? DEFAULT_CONFIG.journal.path),
      maxBytes: written.journal?.maxBytes ?? DEFAULT_CONFIG.journal.maxBytes,
    },
    control: { socket: at(written.control?.socket ?? DEFAULT_CONFIG.control.socket) },
  };
}

function completeHypervisor(
  written: WrittenHypervisor | undefined,
  at: (relative: string) => string,
): HypervisorConfig {
  if (written === undefined) return DEFAULT_CONFIG.hypervisor;
  if (written.kind === "simulated") return { kind: "simulated", from: at(written.from!) };
  const domains = (written.domains ?? []).map(({ name, qmp, agent, qga }) => ({
    name,
    qmp: at(qmp),
    agent: agent === undefined ? null : at(agent),
    qga: qga === undefined ? null : at(qga),
  }));
  // A list of domains says what there is; the standard folder is looked at only when nothing was said.
  const fallback = written.domains === undefined ? "/run/vbal/qmp" : null;
  const directory = written.directory === undefined ? fallback : written.directory;
  return { kind: "qmp", directory: directory === null ? null : at(directory), domains };
}

function folderOf(file: string): string {
  const end = file.lastIndexOf("/");
  return end < 0 ? "." : end === 0 ? "" : file.slice(0, end);
}
