/** What the administrator wrote. Every field has a value here; defaults are filled in before the core sees it. */
import { type AdmissionRules, DEFAULT_ADMISSION_RULES } from "./admission_rules.ts";
import type { BalloonMechanism } from "./model.ts";
import type { DomainId, MilliPcpu, Milliseconds, NodeId, PcpuId } from "./units.ts";

export interface Policy {
  /** `observe`: everything is planned and said, nothing is done but putting back at a clean stop. */
  readonly mode: "enforce" | "observe";
  /** The pCPUs that vbal divides; `null` for all that are online. */
  readonly pool: readonly PcpuId[] | null;
  readonly rounding: Rounding;
  /** Where emulator and I/O threads go: pCPUs set apart for them, or `null` for their own domain's pCPUs. */
  readonly emulatorPcpus: readonly PcpuId[] | null;
  readonly patience: Patience;
  /** What guests that ask for vCPUs are given beyond what weights alone give them. */
  readonly admission: AdmissionRules;
  /** For a domain that `domains` does not name. */
  readonly defaults: DomainPolicy;
  readonly domains: Readonly<Record<DomainId, DomainPolicy>>;
}

/** How a fraction of a pCPU becomes a whole vCPU (B-21). */
export type Rounding = "floor" | "ceil" | "largest-remainder";

export interface DomainPolicy {
  /** `false`: opted out; the domain is left alone and takes no part in the division. */
  readonly managed: boolean;
  /** A positive integer, `WEIGHT_MAX` at most. */
  readonly weight: number;
  /** Guaranteed pCPU time, whatever the others do. */
  readonly reservation: MilliPcpu;
  /** The most pCPU time it may use; `null` for none. */
  readonly cap: MilliPcpu | null;
  /** At least 1. */
  readonly vcpusMin: number;
  /** `null` for as many as the domain has. */
  readonly vcpusMax: number | null;
  /** The host's NUMA node to stay on, where counts allow. */
  readonly node: NodeId | null;
  /** `shared`: its vCPUs float over pCPUs that it shares with the other shared domains. */
  readonly placement: "exclusive" | "shared";
  /** Which mechanism to ask the guest for; it falls back to another one that the guest has. */
  readonly mechanism: BalloonMechanism;
  /** Whether vbal may plug vCPUs into it and unplug them again, where all that it has are online. */
  readonly plug: boolean;
}

/** How long a guest may take to follow its target. */
export interface Patience {
  /** No progress for this long: stuck. The others no longer wait for it. */
  readonly stuckAfter: Milliseconds;
  /** Stuck for this long: uncooperative. A person should look. */
  readonly uncooperativeAfter: Milliseconds;
  /** A command that failed or went unanswered is tried again after this long. */
  readonly retryAfter: Milliseconds;
}

export const WEIGHT_MAX = 65_535;

export const DEFAULT_DOMAIN_POLICY: DomainPolicy = {
  managed: true,
  weight: 256,
  reservation: 0,
  cap: null,
  vcpusMin: 1,
  vcpusMax: null,
  node: null,
  placement: "exclusive",
  mechanism: "offline",
  plug: true,
};

export const DEFAULT_POLICY: Policy = {
  mode: "enforce",
  pool: null,
  rounding: "largest-remainder",
  emulatorPcpus: null,
  patience: { stuckAfter: 5_000, uncooperativeAfter: 20_000, retryAfter: 2_000 },
  admission: DEFAULT_ADMISSION_RULES,
  defaults: DEFAULT_DOMAIN_POLICY,
  domains: {},
};

/** The policy of one domain: its own entry, or the defaults. */
export function policyOf(policy: Policy, id: DomainId): DomainPolicy {
  // hasOwn: a domain may be called "constructor".
  return Object.hasOwn(policy.domains, id) ? policy.domains[id]! : policy.defaults;
}
