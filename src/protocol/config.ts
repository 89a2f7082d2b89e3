/**
 * The daemon's config file: YAML 1.2, every field optional, none unknown. examples/vbal.yaml shows and explains all
 * of them. Pure: text in, a complete config or all faults out.
 */

import { DEFAULT_DOMAIN_POLICY, DEFAULT_POLICY, type DomainPolicy, type Policy } from "../core/policy.ts";
import type { DomainId, Milliseconds } from "../core/units.ts";
import { GUEST_PATIENCE_MS, REPORT_EVERY_MS } from "./agent_pace.ts";
import {
  type ControlConfig,
  completeControl,
  completeHistory,
  DEFAULT_HISTORY,
  type HistoryConfig,
} from "./api_config.ts";
import { checkShape, inOrder } from "./check_shape.ts";
import { configFaults } from "./config_faults.ts";
import { withFields } from "./domain_fields.ts";
import type { Fault } from "./fault.ts";
import { parseLocatedYaml } from "./located_yaml.ts";
import {
  DEFAULT_MONITOR,
  type MonitorFields,
  type MonitorRules,
  withMonitorFields,
} from "./monitor_fields.ts";
import { configSchema, knownKeys, type WrittenConfig, type WrittenHypervisor } from "./written_config.ts";

export interface Config {
  readonly policy: Policy;
  /** How often the daemon observes when nothing happens. */
  readonly interval: Milliseconds;
  readonly hypervisor: HypervisorConfig;
  readonly agent: AgentConfig;
  readonly monitor: MonitorConfig;
  readonly journal: { readonly path: string; readonly maxBytes: number };
  readonly control: ControlConfig;
  readonly history: HistoryConfig;
}

export type HypervisorConfig =
  | {
      readonly kind: "qmp";
      /** Every socket in it that ends in `.qmp` is a domain; `null` for none. */
      readonly directory: string | null;
      /** Domains named one by one, besides those of the directory. */
      readonly domains: readonly QmpDomain[];
      /** How often it is looked at whether vCPUs spin; `null` for never. */
      readonly spinLooks: Milliseconds | null;
    }
  /** The domains of a libvirt daemon; `uri` as for `virsh -c`. */
  | { readonly kind: "libvirt"; readonly uri: string }
  /** A host that exists in a host description only (host_file.ts). */
  | { readonly kind: "simulated"; readonly from: string };

/** What the host asks of vbal's own agent in each guest. */
export interface AgentConfig {
  /** How often it reports of its own accord. */
  readonly reportEvery: Milliseconds;
  /** A guest that has not heard from the host for this long gives itself every vCPU back. */
  readonly patience: Milliseconds;
}

/** How the load monitors in the guests are to work. */
export interface MonitorConfig {
  /** For every domain. */
  readonly all: MonitorRules;
  /** What single domains have otherwise. */
  readonly domains: Readonly<Record<DomainId, MonitorFields>>;
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
  policy: { ...DEFAULT_POLICY, mode: "observe" },
  interval: 1000,
  hypervisor: { kind: "qmp", directory: "/run/vbal/qmp", domains: [], spinLooks: null },
  agent: { reportEvery: REPORT_EVERY_MS, patience: GUEST_PATIENCE_MS },
  monitor: { all: DEFAULT_MONITOR, domains: {} },
  journal: { path: "/var/lib/vbal/journal.jsonl", maxBytes: 64 * 1024 * 1024 },
  control: { socket: "/run/vbal/control.sock" },
  history: DEFAULT_HISTORY,
};

export type ConfigResult = { readonly config: Config } | { readonly errors: readonly Fault[] };

export interface ConfigSource {
  /** Relative paths in the file start at its own folder. */
  readonly file: string;
  readonly text: string;
  /** Everything that may have a threshold. */
  readonly measures: readonly string[];
}

export function parseConfig(source: ConfigSource): ConfigResult {
  const located = parseLocatedYaml(source);
  if (Array.isArray(located)) return { errors: located };
  const { measures } = source;
  const written = checkShape(located, configSchema(measures), (path) => knownKeys(path, measures));
  if ("faults" in written) return { errors: written.faults };
  const policy = policyFrom(written.value);
  const agent = completeAgent(written.value.agent);
  const errors = configFaults(located, written.value, { policy, agent });
  if (errors.length > 0) return { errors: inOrder(errors) };
  return { config: complete(written.value, policy, folderOf(source.file)) };
}

function policyFrom(written: WrittenConfig): Policy {
  const defaults = withFields(DEFAULT_DOMAIN_POLICY, written.defaults ?? {});
  // No prototype: a domain may be named "constructor".
  const domains = Object.create(null) as Record<DomainId, DomainPolicy>;
  for (const [name, fields] of Object.entries(written.domains ?? {}))
    domains[name] = withFields(defaults, fields);
  const { patience, admission } = DEFAULT_POLICY;
  return {
    pool: written.pool ?? null,
    // To change guests is a decision; whoever has not made it is shown what would be done.
    mode: written.mode ?? "observe",
    rounding: written.rounding ?? DEFAULT_POLICY.rounding,
    emulatorPcpus: written.emulator ?? null,
    patience: {
      stuckAfter: written.patience?.stuckAfter ?? patience.stuckAfter,
      uncooperativeAfter: written.patience?.uncooperativeAfter ?? patience.uncooperativeAfter,
      retryAfter: written.patience?.retryAfter ?? patience.retryAfter,
    },
    admission: {
      mode: written.admission?.mode ?? admission.mode,
      loansMax: written.admission?.loansMax === undefined ? admission.loansMax : written.admission.loansMax,
    },
    defaults,
    domains,
  };
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
    monitor: completeMonitor(written),
    journal: {
      path: at(written.journal?.path ?? DEFAULT_CONFIG.journal.path),
      maxBytes: written.journal?.maxBytes ?? DEFAULT_CONFIG.journal.maxBytes,
    },
    control: completeControl(written.control, DEFAULT_CONFIG.control.socket, at),
    history: completeHistory(written.history, at),
  };
}

function completeMonitor({ monitor, domains }: WrittenConfig): MonitorConfig {
  // No prototype: a domain may be named "constructor".
  const own = Object.create(null) as Record<DomainId, MonitorFields>;
  for (const [name, entry] of Object.entries(domains ?? {})) {
    if (entry.monitor !== undefined) own[name] = entry.monitor;
  }
  return { all: withMonitorFields(DEFAULT_MONITOR, monitor ?? {}), domains: own };
}

function completeHypervisor(
  written: WrittenHypervisor | undefined,
  at: (relative: string) => string,
): HypervisorConfig {
  if (written === undefined) return DEFAULT_CONFIG.hypervisor;
  if (written.kind === "libvirt") return { kind: "libvirt", uri: written.uri ?? "qemu:///system" };
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
  const spinLooks = written.spinLooks ?? null;
  return { kind: "qmp", directory: directory === null ? null : at(directory), domains, spinLooks };
}

function folderOf(file: string): string {
  const end = file.lastIndexOf("/");
  return end < 0 ? "." : end === 0 ? "" : file.slice(0, end);
}
