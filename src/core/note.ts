/** What the controller has to say about a step, as data. `explainNote` (explain_note.ts) renders it. */
import type { Standing } from "./cooperation.ts";
import type { VcpuSlot } from "./model.ts";
import type { Move } from "./plan.ts";
import type { Reason } from "./reason.ts";
import type { Denial } from "./request.ts";
import type { DomainId, NodeId, PcpuId, VcpuIndex } from "./units.ts";

export type Note =
  | { readonly code: "domain-arrived"; readonly domain: DomainId; readonly vcpus: number }
  | { readonly code: "domain-departed"; readonly domain: DomainId }
  | { readonly code: "domain-restarted"; readonly domain: DomainId }
  | { readonly code: "guest-heard"; readonly domain: DomainId; readonly online: readonly VcpuIndex[] }
  | { readonly code: "guest-silent"; readonly domain: DomainId }
  | {
      readonly code: "target-changed";
      readonly domain: DomainId;
      readonly from: number | null;
      readonly to: number;
      readonly reasons: readonly Reason[];
    }
  /** All moves of one domain that have the same kind of reason. */
  | { readonly code: "vcpus-moved"; readonly domain: DomainId; readonly moves: readonly Move[] }
  | { readonly code: "target-reached"; readonly domain: DomainId; readonly online: readonly VcpuIndex[] }
  /** The guest changed its vCPUs without being asked, or a udev rule did: it will be asked again (pitfall 5). */
  | {
      readonly code: "guest-changed-by-itself";
      readonly domain: DomainId;
      readonly online: readonly VcpuIndex[];
      readonly wanted: readonly VcpuIndex[];
    }
  | {
      readonly code: "standing-changed";
      readonly domain: DomainId;
      readonly from: Standing;
      readonly to: Standing;
    }
  | { readonly code: "growth-given-up"; readonly domain: DomainId; readonly vcpus: number }
  | {
      readonly code: "command-failed";
      readonly command: string;
      readonly failure: string;
      readonly why: string;
    }
  | {
      readonly code: "request-granted";
      readonly domain: DomainId;
      readonly request: string;
      readonly vcpu: VcpuIndex;
      readonly loan: boolean;
    }
  | {
      readonly code: "request-denied";
      readonly domain: DomainId;
      readonly request: string;
      readonly why: Denial;
    }
  /** It was heard before, and is answered as before. */
  | { readonly code: "request-repeated"; readonly domain: DomainId; readonly request: string }
  /** Nobody asked it: its use shows that it needs less. `vcpus` are those that it keeps. */
  | { readonly code: "gave-back"; readonly domain: DomainId; readonly vcpus: number }
  /** Another one asked, no pCPU was free, and its use shows that it can do without one of its own. `left` are those that it keeps. */
  | {
      readonly code: "lent-on-request";
      readonly domain: DomainId;
      readonly to: DomainId;
      readonly left: number;
    }
  /** It asked, and has all that was lent of its own on request. */
  | { readonly code: "lending-ended"; readonly domain: DomainId; readonly vcpus: number }
  /** Those that it had borrowed from are in need of them. */
  | {
      readonly code: "loan-called-back";
      readonly domain: DomainId;
      readonly vcpus: number;
      readonly left: number;
    }
  | {
      readonly code: "vcpu-plugged";
      readonly domain: DomainId;
      readonly vcpu: VcpuIndex;
      readonly node: NodeId;
    }
  | { readonly code: "vcpu-unplugged"; readonly domain: DomainId; readonly slot: VcpuSlot }
  /** Two domains waited for each other's pCPU; one was let through. */
  | {
      readonly code: "circle-broken";
      readonly domain: DomainId;
      readonly vcpu: VcpuIndex;
      readonly pcpus: readonly PcpuId[];
    }
  | { readonly code: "released"; readonly domain: DomainId }
  | { readonly code: "host"; readonly reason: Reason };
