/**
 * What host and guest say to each other, version 2: version 1 and the load monitor's part
 * (`MONITOR_VERSION`). The codec is frame.ts; both ends are dependency-free because the agent is compiled into a small
 * static binary. docs/protocol.md is the description for other implementers.
 *
 * The guest is not trusted: the host checks every message against `parseGuestMessage` and bounds its size and rate.
 */

/** The highest version that this build speaks; `hello` carries the range. */
export const PROTOCOL_VERSION = 2;

/** From this version on there are requests and measures; with an older end neither side sends any of it. */
export const MONITOR_VERSION = 2;

/** The versions that this build speaks, as `hello` carries them. */
export const PROTOCOL_VERSIONS: VersionRange = [1, PROTOCOL_VERSION];

export type VersionRange = readonly [min: number, max: number];

/** The highest version that both ends speak, or `null` when there is none. */
export function commonVersion(ours: VersionRange, theirs: VersionRange): number | null {
  const highest = Math.min(ours[1], theirs[1]);
  return Math.max(ours[0], theirs[0]) <= highest ? highest : null;
}

/** vCPU numbers are below this: no x86 machine type of QEMU 10 has more. */
export const VCPUS_MAX = 1_024;
/** The most that all vCPUs together can count: the guest's kernel counts 32 bits of each. */
export const INTERRUPTS_MAX: number = VCPUS_MAX * (2 ** 32 - 1);
/** A report names no more findings than this; a person reads a few, and the frame must stay within its limit. */
export const FINDINGS_MAX = 256;
/** A text for people, in UTF-16 units; longer ones are cut by who writes them. */
export const TEXT_CHARS_MAX = 256;
/** Names of sessions and of agents. */
export const NAME_CHARS_MAX = 64;
/** Ids of requests, measures and thresholds. */
export const ID_CHARS_MAX = 64;
/** More than the monitor has, with every combination and its parts. */
export const THRESHOLDS_MAX = 256;
/** A message holds no more readings than this: 14 measures of each of 1,024 vCPUs, at 16 bytes each within a frame. */
export const READINGS_MAX = 14_336;
/** Sentences about what is not measured. */
export const DEGRADED_MAX = 16;
/** What a measure can be, far beyond any machine: cycles per second of a thousand vCPUs are some 10^13. */
export const MEASURE_VALUE_MAX = 1e15;
/** In an answer: the host has no idea when asking again may be worthwhile. */
export const NO_RETRY_KNOWN = -1;
/** The `subject` of a measure of the whole VM. */
export const WHOLE_VM = -1;
/** The `id` in a `refused` that answers something without an id of its own, such as `hello` or rubbish. */
export const NO_ID = -1;

/** Host to guest. Ids grow by one per connection; an answer carries the id of what it answers. */
export type HostMessage =
  | {
      readonly kind: "hello";
      readonly versions: VersionRange;
      /** Names this connection: a guest that sees a new one forgets half-done exchanges of the old. */
      readonly session: string;
      /** How often the guest reports of its own accord. */
      readonly reportEveryMs: number;
      /** Unheard of for this long, the host is lost: the guest gives every vCPU back to itself. */
      readonly patienceMs: number;
    }
  | {
      readonly kind: "set-online";
      readonly id: number;
      /** The vCPUs that should be in use, ascending; always holds 0. */
      readonly online: readonly number[];
      readonly mechanism: "offline" | "isolate";
    }
  /** Undo everything that the agent did, now. */
  | { readonly kind: "restore"; readonly id: number }
  /** Still there? Answered by `pong`; also tells the guest that the host lives. */
  | { readonly kind: "ping"; readonly id: number }
  /**
   * How the load monitor is to work from now on; it does not run before the first one of a session. Answered by
   * `monitor-set`. `thresholds` are the host's layer, whole: what it names no more is no longer the host's.
   */
  | {
      readonly kind: "monitor";
      readonly id: number;
      readonly on: boolean;
      /** How often `measures` are sent; 0 for never. */
      readonly measuresEveryMs: number;
      readonly thresholds: readonly ThresholdSetting[];
    }
  /** How long the vCPUs' threads have run on the host since they began, for physical cycles (P-25). No answer. */
  | {
      readonly kind: "run-times";
      readonly vcpus: readonly { readonly vcpu: number; readonly runNs: number }[];
    }
  /** To a `request`. Said again when the same request is heard again. */
  | {
      readonly kind: "answer";
      readonly request: string;
      /** `vcpu`: the guest's number of the additional vCPU (P-18); it comes online by a `set-online`. */
      readonly answer:
        | { readonly outcome: "granted"; readonly vcpu: number; readonly loan: boolean }
        | {
            readonly outcome: "denied";
            readonly code: string;
            /** For a person. */
            readonly why: string;
            /** When asking again may be worthwhile; -1 for no idea. */
            readonly retryAfterMs: number;
          };
    };

export interface ThresholdSetting {
  /** Of a measure, a combination or a part of one. */
  readonly measure: string;
  /** `null`: not watched. */
  readonly value: number | null;
}

/** Guest to host. */
export type GuestMessage =
  | {
      readonly kind: "hello";
      readonly versions: VersionRange;
      readonly agent: string;
      /** The session of the host's hello that this answers; empty from an agent that asks to be greeted. */
      readonly session: string;
      readonly mechanisms: readonly ("offline" | "isolate")[];
    }
  | {
      readonly kind: "report";
      readonly vcpus: readonly VcpuReport[];
      readonly preflight: readonly PreflightFinding[];
      /** Absent from an older agent, and where the guest's kernel does not count them. */
      readonly interrupts?: SentInterrupts;
      /** Absent from an older agent, and where the guest's kernel does not show it. */
      readonly cpuTime?: CpuTime;
      /** Absent from an older agent, and where the guest's kernel does not show it. */
      readonly switches?: SwitchCount;
    }
  | {
      readonly kind: "online-set";
      readonly id: number;
      readonly online: readonly number[];
      /** vCPUs that would not change, each with the kernel's or the agent's reason. */
      readonly failed: readonly { readonly vcpu: number; readonly why: string }[];
      /** In-guest time that the change took. */
      readonly tookMicroseconds: number;
    }
  | { readonly kind: "restored"; readonly id: number; readonly online: readonly number[] }
  | { readonly kind: "pong"; readonly id: number }
  /** `unknown`: measures that this agent does not have; the rest is in force. `inForce`: all layers together. */
  | {
      readonly kind: "monitor-set";
      readonly id: number;
      readonly unknown: readonly string[];
      readonly inForce: readonly ThresholdInForce[];
    }
  /** What the load monitor saw in the last interval. */
  | {
      readonly kind: "measures";
      readonly intervalMs: number;
      /** The next ones come within so long: a guest at rest shows them more rarely. Absent: as often as the host wished. */
      readonly nextMs?: number | undefined;
      readonly measures: readonly MeasureReport[];
      /** What is not measured, in whole or in part, and why: sentences. */
      readonly degraded: readonly string[];
    }
  /** One more vCPU, please (P-12). The same `request` again is the same request. */
  | {
      readonly kind: "request";
      readonly request: string;
      readonly origin: "monitor" | "administrator";
      /** `null` from an administrator. */
      readonly exceeded: {
        readonly measure: string;
        readonly level: "vcpu" | "node" | "vm";
        /** The vCPU or node that is short; -1 for the VM. */
        readonly subject: number;
        readonly value: number;
        readonly threshold: number;
      } | null;
      /** Where it should be (P-13, P-14, P-65); `null` for anywhere. */
      readonly target: { readonly kind: "node" | "proximity-domain"; readonly id: number } | null;
    }
  /** Not done, or not understood. The id is NO_ID where what it answers had none. */
  | { readonly kind: "refused"; readonly id: number; readonly why: string };

export interface VcpuReport {
  readonly vcpu: number;
  readonly online: boolean;
  readonly isolated: boolean;
  readonly canOffline: boolean;
  /** Guest topology, -1 where the guest does not show it (an offline vCPU). */
  readonly socket: number;
  readonly core: number;
  readonly node: number;
  /** Steal time in nanoseconds since boot, -1 where there is none. */
  readonly stealNs: number;
  /** The firmware's number for it (ACPI's _UID), by which the host knows which of its vCPUs it is; absent where not shown. */
  readonly uid?: number;
}

/** How often the vCPUs that are online have interrupted each other since boot; without one that goes offline, it is less. */
export interface SentInterrupts {
  /** When it was read, on the guest's monotonic clock. */
  readonly atMs: number;
  /** To look at the run queue: most wake-ups of a task on another vCPU. */
  readonly rescheduling: number;
  /** To run a function: shootdowns, and some wake-ups. */
  readonly calls: number;
  /** Those of the calls that made a vCPU flush its TLB; requests that met in one interrupt count each. */
  readonly shootdowns: number;
}

/** How long the vCPUs, those that are offline too, have run since boot, by the guest's account: of use are differences only. */
export interface CpuTime {
  readonly programsMs: number;
  /** In the kernel, whether a program called it or an interrupt. */
  readonly kernelMs: number;
}

/** How often the vCPUs, those that are offline too, went from one thread to another since boot, by the guest's account. */
export interface SwitchCount {
  /** When it was read, on the guest's monotonic clock. */
  readonly atMs: number;
  /** Context switches, to and from the idle thread too. */
  readonly total: number;
}

export interface ThresholdInForce extends ThresholdSetting {
  readonly origin: "default" | "file" | "host" | "other";
}

/** One measure of all its subjects. */
export interface MeasureReport {
  readonly measure: string;
  /** vCPUs or nodes, ascending; [-1] for the VM. */
  readonly subjects: readonly number[];
  /** In the order of `subjects`; `null` is not known. */
  readonly values: readonly (number | null)[];
}

/** What would be displaced, or stands in the way, if a vCPU were taken. */
export interface PreflightFinding {
  readonly vcpu: number;
  readonly what: "pinned-task" | "cpuset" | "interrupt" | "kernel-isolated";
  /** For a person: the task's name and pid, the cpuset's path, the interrupt's number. */
  readonly detail: string;
}
