/** What the controller remembers between steps: plain JSON, so that a journal can carry it over a restart. */
import type { Command } from "./action.ts";
import type { Cooperation } from "./cooperation.ts";
import type { DomainDemand } from "./demand.ts";
import type { DomainUse } from "./event.ts";
import type { GuestReport, Snapshot } from "./model.ts";
import type { Plan } from "./plan.ts";
import type { PluggedSlot } from "./plugged_vcpus.ts";
import type { StrictDues } from "./strict_dues.ts";
import type { DomainId, Milliseconds, PcpuId, VcpuIndex } from "./units.ts";

export interface ControllerState {
  /** `releasing` after a clean stop was asked for; nothing leads back. */
  readonly mode: "controlling" | "releasing";
  /** The last observation, or null before the first one. */
  readonly snapshot: Snapshot | null;
  /** What every domain should have, and the inputs that it was made from (plan_inputs.ts). */
  readonly plan: Plan | null;
  readonly planInputs: string | null;
  /** What weights alone give everybody, made from the same inputs. */
  readonly dues: StrictDues | null;
  /** What guests that ask made of the plan (plan_anew.ts); empty for a plan by weights alone. */
  readonly demandInputs: string;
  /** What the host measured last; empty until it did. */
  readonly use: readonly DomainUse[];
  /** One entry per domain in the snapshot, ordered by id. */
  readonly domains: readonly DomainState[];
  /** Domains that are not in the snapshot and may come back as they were, ordered by id. */
  readonly absent: readonly AbsentDomain[];
  /** Commands that were given out and not answered yet. */
  readonly underWay: readonly CommandUnderWay[];
  /** Commands that ended and are wanted still: they failed, or changed nothing; and what guests were told of late. */
  readonly attempts: readonly Attempt[];
  readonly nextCommandId: number;
}

export interface DomainState {
  readonly id: DomainId;
  readonly incarnation: string;
  readonly found: Found;
  /** The guest's last word and when it was last known to hold, also while it is silent; null for one never heard. */
  readonly heard: { readonly report: GuestReport; readonly at: Milliseconds } | null;
  readonly cooperation: Cooperation;
  /** The vCPUs that the guest was last asked to use; null before the first request. */
  readonly asked: readonly VcpuIndex[] | null;
  /** The guest reported exactly what was asked. */
  readonly reached: boolean;
  /** vbal changed something of it, so that there is something to put back. */
  readonly touched: boolean;
  /** A guest that would not grow is planned with no more vCPUs than it has, until then. */
  readonly growthGivenUp: { readonly vcpus: number; readonly until: Milliseconds } | null;
  /** What it wants and was told; absent or null as long as nobody on the host asks. */
  readonly demand?: DomainDemand | null;
  /** Where vbal plugged vCPUs; absent for nowhere. */
  readonly plugged?: readonly PluggedSlot[];
  /** Where vCPUs may be whose pins could not be read at the last look; absent when all were read. */
  readonly lastPins?: readonly LastPins[];
}

export interface LastPins {
  readonly index: VcpuIndex;
  readonly pins: readonly PcpuId[];
}

export interface AbsentDomain {
  readonly memory: DomainState;
  readonly since: Milliseconds;
  /** Of an earlier life and not seen in this one yet: its monitor may still need a moment. Nobody is given its share. */
  readonly awaited: boolean;
}

/** How a domain was before vbal touched it; `null` for what was never read. */
export interface Found {
  readonly online: readonly VcpuIndex[] | null;
  readonly vcpus: readonly FoundVcpu[];
  readonly emulatorPins: readonly PcpuId[] | null;
}

export interface FoundVcpu {
  readonly index: VcpuIndex;
  readonly pins: readonly PcpuId[] | null;
  /** Plugged when vbal had changed the domain already: whether the guest would use it without vbal, nobody knows. */
  readonly pluggedLater: boolean;
}

export interface CommandUnderWay {
  readonly id: number;
  readonly command: Command;
}

export interface Attempt {
  readonly key: string;
  /** The command as JSON: another one of the same key need not wait. */
  readonly text: string;
  /** Where it has sent a vCPU; absent where it sent none. */
  readonly pins?: readonly PcpuId[];
  readonly domain: DomainId;
  readonly count: number;
  readonly retryAt: Milliseconds;
}

export const INITIAL_STATE: ControllerState = {
  mode: "controlling",
  snapshot: null,
  plan: null,
  planInputs: null,
  dues: null,
  demandInputs: "",
  use: [],
  domains: [],
  absent: [],
  underWay: [],
  attempts: [],
  nextCommandId: 1,
};
