/**
 * What host and guest say to each other, version 1. The codec is frame.ts; both ends are dependency-free because
 * the agent is compiled into a small static binary. docs/protocol.md is the description for other implementers.
 *
 * The guest is not trusted: the host checks every message against `parseGuestMessage` and bounds its size and rate.
 */

/** The highest version that this build speaks; `hello` carries the range. */
export const PROTOCOL_VERSION = 1;

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
/** A report names no more findings than this; a person reads a few, and the frame must stay within its limit. */
export const FINDINGS_MAX = 256;
/** A text for people, in UTF-16 units; longer ones are cut by who writes them. */
export const TEXT_CHARS_MAX = 256;
/** Names of sessions and of agents. */
export const NAME_CHARS_MAX = 64;
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
  | { readonly kind: "ping"; readonly id: number };

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
}

/** What would be displaced, or stands in the way, if a vCPU were taken. */
export interface PreflightFinding {
  readonly vcpu: number;
  readonly what: "pinned-task" | "cpuset" | "interrupt" | "kernel-isolated";
  /** For a person: the task's name and pid, the cpuset's path, the interrupt's number. */
  readonly detail: string;
}
