/** What every domain should have now: the plan for those that are managed, what was found for those that are let go. */
import type { ControllerState, DomainState } from "./controller_state.ts";
import type { DomainSnapshot, Pcpu } from "./model.ts";
import type { DomainPlan } from "./plan.ts";
import { removableOf, UNPLUG_AFTER_MS } from "./plugged_vcpus.ts";
import { type Policy, policyOf } from "./policy.ts";
import type { WantedDomain } from "./reconcile.ts";
import type { Safeguards } from "./safeguards.ts";
import type { Milliseconds, PcpuId, VcpuIndex } from "./units.ts";

/** Nothing for the rest. Ordered by id. */
export function wantedDomains(
  policy: Policy,
  state: ControllerState,
  moment: Moment,
): readonly WantedDomain[] {
  const plans = new Map(state.plan?.domains.map((plan) => [plan.id, plan]));
  const snapshots = new Map(state.snapshot?.domains.map((domain) => [domain.id, domain]));
  const wanted: WantedDomain[] = [];
  for (const domain of state.domains) {
    const { mechanism, vcpusMin, plug: mayPlug } = policyOf(policy, domain.id);
    const plan = plans.get(domain.id);
    const snapshot = snapshots.get(domain.id);
    if (state.mode === "controlling" && plan !== undefined) {
      const plugging = domain.demand?.plugging ?? null;
      const unplug = snapshot === undefined ? [] : longUnused(domain, { snapshot, plan, ...moment });
      wanted.push({
        id: domain.id,
        vcpus: plan.vcpus,
        emulatorPcpus: plan.emulatorPcpus,
        mechanism,
        vcpusMin,
        ...(mayPlug && plugging?.failed === null ? { plug: plugging.slot } : {}),
        ...(0 < unplug.length ? { unplug } : {}),
        ...(domain.lastPins === undefined ? {} : { lastPins: domain.lastPins }),
        courteous: domain.cooperation.standing === "active",
      });
    } else if (domain.touched) {
      wanted.push(asFound(domain, { mechanism, pcpus: state.snapshot?.pcpus ?? [], snapshot }));
    }
  }
  return wanted;
}

interface Moment {
  readonly now: Milliseconds;
  readonly safeguards: Safeguards;
}

/** Of the vCPUs that vbal plugged those that nobody has used for long, nor is about to. */
function longUnused(domain: DomainState, { snapshot, plan, now, safeguards }: UnusedOptions): VcpuIndex[] {
  const { plugged = [], demand } = domain;
  if (plugged.length === 0 || demand?.plugging != null) return [];
  const dwell = safeguards.unplugSlowly ? UNPLUG_AFTER_MS : 0;
  const planned = new Set(plan.vcpus.filter(({ online }) => online).map(({ index }) => index));
  return removableOf(plugged, snapshot)
    .filter(
      ({ vcpu: { index }, unusedSince }) =>
        unusedSince !== null &&
        unusedSince + dwell <= now &&
        !planned.has(index) &&
        demand?.granted.includes(index) !== true,
    )
    .map(({ vcpu }) => vcpu.index);
}

interface UnusedOptions extends Moment {
  readonly snapshot: DomainSnapshot;
  readonly plan: DomainPlan;
}

function asFound(
  { id, asked, found, plugged = [], lastPins }: DomainState,
  surroundings: Surroundings,
): WantedDomain {
  const { mechanism, pcpus, snapshot } = surroundings;
  const online = pcpus.filter((pcpu) => pcpu.online).map((pcpu) => pcpu.id);
  const ours = snapshot === undefined ? [] : removableOf(plugged, snapshot).map(({ vcpu }) => vcpu.index);
  const onlineAsFound = ({ index, pluggedLater }: DomainState["found"]["vcpus"][number]) => {
    if (ours.includes(index)) return false;
    return pluggedLater ? null : (found.online?.includes(index) ?? null);
  };
  return {
    id,
    vcpus: found.vcpus.map((vcpu) => ({
      index: vcpu.index,
      online: onlineAsFound(vcpu),
      pcpus: stillOnline(vcpu.pins, online),
    })),
    emulatorPcpus: stillOnline(found.emulatorPins, online),
    mechanism,
    vcpusMin: 1,
    ...(0 < ours.length ? { unplug: ours } : {}),
    ...(asked === null || found.online === null ? {} : { lastTold: asked }),
    ...(lastPins === undefined ? {} : { lastPins }),
    courteous: false,
  };
}

interface Surroundings {
  readonly mechanism: WantedDomain["mechanism"];
  readonly pcpus: readonly Pcpu[];
  readonly snapshot: DomainSnapshot | undefined;
}

/** A pCPU that went offline meanwhile can be nobody's; as in Linux, a thread left with none may run on all. */
function stillOnline(pins: readonly PcpuId[] | null, online: readonly PcpuId[]): readonly PcpuId[] | null {
  if (pins === null) return null;
  const left = pins.filter((pcpu) => online.includes(pcpu));
  return left.length > 0 ? left : online;
}
