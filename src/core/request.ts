/**
 * A guest asks for one more vCPU and the hypervisor decides (P-11 to P-18): what it says, and what it is told.
 * Nothing a guest says is believed beyond what it can harm itself with; see admission.ts.
 */
import type { DomainId, MilliPcpu, Milliseconds, NodeId, VcpuIndex } from "./units.ts";

/** One additional vCPU, never several (P-12). */
export interface VcpuRequest {
  readonly domain: DomainId;
  /** The guest's own name for this request; asked again under the same id, it is answered as before. */
  readonly id: string;
  /** A person in the guest may ask in anticipation of load, without any measure (P-15). */
  readonly origin: "monitor" | "administrator";
  /** What the load monitor saw; `null` from an administrator. */
  readonly exceeded: Exceeded | null;
  /** Where the new vCPU should be (P-13, P-14); `null` for anywhere. */
  readonly target: RequestTarget | null;
}

export interface Exceeded {
  /** The stable id of the measure. */
  readonly measure: string;
  readonly level: "vcpu" | "node" | "vm";
  readonly value: number;
  readonly threshold: number;
}

/** Claims 9 and 10 (P-65): the proximity domain is a virtual NUMA node, and has its number. */
export type RequestTarget =
  | { readonly kind: "node"; readonly node: NodeId }
  | { readonly kind: "proximity-domain"; readonly id: NodeId };

export type Answer =
  | {
      readonly outcome: "granted";
      /** The identifier of the additional vCPU (P-18). */
      readonly vcpu: VcpuIndex;
      /** Beyond its entitlement: its owner gets the pCPU back when it needs it. */
      readonly loan: boolean;
    }
  | { readonly outcome: "denied"; readonly why: Denial };

/** Why not, with what would have to be different. */
export type Denial =
  | { readonly code: "unknown-domain" }
  | { readonly code: "strict-weights"; readonly strict: number }
  | { readonly code: "too-often"; readonly retryAfter: Milliseconds }
  | { readonly code: "paused" }
  | { readonly code: "silent-guest" }
  | { readonly code: "no-load-monitor" }
  /** The daemon has not seen the host yet, only observes, or puts everything back. */
  | { readonly code: "not-now"; readonly daemon: "starting" | "observing" | "stopping" }
  | { readonly code: "not-exceeded"; readonly value: number; readonly threshold: number }
  | { readonly code: "no-such-node"; readonly node: NodeId; readonly nodes: readonly NodeId[] }
  | { readonly code: "node-has-no-vcpu-left"; readonly node: NodeId }
  | { readonly code: "no-vcpu-left"; readonly vcpus: number }
  | { readonly code: "at-vcpus-max"; readonly vcpusMax: number }
  | { readonly code: "no-slot-on-node"; readonly node: NodeId }
  | { readonly code: "being-plugged"; readonly node: NodeId }
  /** `reason` is the adapter's sentence; `null` when the vCPU did not come in time. */
  | { readonly code: "plug-failed"; readonly node: NodeId; readonly reason: string | null }
  | { readonly code: "would-not-grow"; readonly vcpus: number; readonly retryAfter: Milliseconds }
  | { readonly code: "still-growing"; readonly online: number; readonly target: number }
  | { readonly code: "at-loan-quota"; readonly loansMax: number }
  | { readonly code: "not-busy"; readonly usage: MilliPcpu; readonly least: MilliPcpu }
  | { readonly code: "no-free-pcpu"; readonly target: number; readonly strict: number };
