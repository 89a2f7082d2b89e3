/**
 * vCPUs that vbal plugged itself, and when they go again. A vCPU that somebody else plugged is never unplugged, nor is one
 * that was there when vbal came: those are merely offline when nobody needs them.
 *
 * Plugging costs a guest about a second and unplugging as much, so that a vCPU stays plugged for `UNPLUG_AFTER_MS` after
 * its last use; a request within that time merely brings it online again.
 */
import type { Command } from "./action.ts";
import type { DomainState } from "./controller_state.ts";
import type { CommandOutcome } from "./event.ts";
import type { DomainSnapshot, Vcpu, VcpuSlot } from "./model.ts";
import type { Milliseconds } from "./units.ts";
import { sameSlot } from "./vcpu_slot.ts";

/** Five times the first dwell of give-back: a load that comes back within two minutes finds it there. */
export const UNPLUG_AFTER_MS: Milliseconds = 120_000;

/**
 * So long after the command a vCPU may still come, and is vbal's: the shell's deadline of 15 s, libvirt's wait of 30 s for
 * its turn at the domain, and some more. Later, whoever finds a slot empty and plugs there is somebody else.
 */
export const PLUG_COMES_WITHIN_MS: Milliseconds = 60_000;

/** A slot that vbal gave the command to plug. */
export interface PluggedSlot {
  readonly slot: VcpuSlot;
  /** Its vCPU was seen. */
  readonly seen: boolean;
  /** Of some command to plug there nobody knows whether it took effect. */
  readonly unsure: boolean;
  /** What is not there by then does not come any more; absent where a state was journalled before there was such an end. */
  readonly comesUntil?: Milliseconds;
  /** Since when the guest is known not to use that; `null` while it does, or while nobody knows. */
  readonly unusedSince: Milliseconds | null;
}

/**
 * The slots after one more look. Whoever plugs there after vbal's vCPU went is somebody else; but where nobody knows what
 * came of a command, the vCPU that went may have been another one's, and this one's comes yet.
 */
export function lookAtPlugged(
  plugged: readonly PluggedSlot[],
  domain: DomainSnapshot,
  now: Milliseconds,
): readonly PluggedSlot[] {
  return plugged.flatMap((one): PluggedSlot[] => {
    const vcpu = vcpuIn(one, domain);
    if (vcpu === undefined) {
      const mayCome = (!one.seen || one.unsure) && (one.comesUntil === undefined || now < one.comesUntil);
      return mayCome ? [{ ...one, seen: false, unusedSince: null }] : [];
    }
    const unused = domain.guest !== null && !isOnline(domain, vcpu);
    return [{ ...one, seen: true, unusedSince: unused ? (one.unusedSince ?? now) : null }];
  });
}

/** The slots after the command to plug into `slot` was given. */
export function withPluggedSlot(
  plugged: readonly PluggedSlot[],
  slot: VcpuSlot,
  now: Milliseconds,
): readonly PluggedSlot[] {
  const comesUntil = now + PLUG_COMES_WITHIN_MS;
  if (plugged.some((one) => sameSlot(one.slot, slot)))
    return plugged.map((one) => (sameSlot(one.slot, slot) ? { ...one, comesUntil } : one));
  return [...plugged, { slot, seen: false, unsure: false, comesUntil, unusedSince: null }];
}

/** What a domain remembers when a command to plug has ended. */
export function afterPlug(
  domain: DomainState,
  command: Extract<Command, { kind: "plug-vcpu" }>,
  outcome: CommandOutcome,
): DomainState {
  if (outcome.ok) return domain;
  const { demand, plugged = [] } = domain;
  const isIt = (slot: VcpuSlot) => sameSlot(slot, command.slot);
  if (UNCERTAIN.includes(outcome.failure)) {
    return { ...domain, plugged: plugged.map((one) => (isIt(one.slot) ? { ...one, unsure: true } : one)) };
  }
  const isMeant = demand?.plugging != null && isIt(demand.plugging.slot);
  return {
    ...domain,
    // An earlier try may have filled the slot, so that this one found it taken.
    plugged: plugged.filter(({ seen, unsure, slot }) => seen || unsure || !isIt(slot)),
    ...(isMeant ? { demand: { ...demand, plugging: { ...demand.plugging!, failed: outcome.why } } } : {}),
  };
}

/** A daemon that starts anew does not hear what came of the commands of an earlier life. */
export function afterRestart(plugged: readonly PluggedSlot[]): readonly PluggedSlot[] {
  return plugged.map((one) => ({ ...one, unsure: true }));
}

/** Of these failures nobody knows whether the vCPU comes yet. */
const UNCERTAIN: readonly string[] = ["timed-out", "connection-lost"];

/** vbal's own vCPUs that are there now and that the hypervisor would unplug, by index. */
export function removableOf(
  plugged: readonly PluggedSlot[],
  domain: DomainSnapshot,
): readonly { readonly vcpu: Vcpu; readonly unusedSince: Milliseconds | null }[] {
  return plugged
    .flatMap((one) => {
      const vcpu = vcpuIn(one, domain);
      return vcpu?.removable === true ? [{ vcpu, unusedSince: one.unusedSince }] : [];
    })
    .sort((a, b) => a.vcpu.index - b.vcpu.index);
}

export function isOnline({ guest }: DomainSnapshot, { index }: Vcpu): boolean {
  return guest?.vcpus.find((vcpu) => vcpu.index === index)?.online ?? false;
}

function vcpuIn({ slot }: PluggedSlot, { vcpus }: DomainSnapshot): Vcpu | undefined {
  return vcpus.find((vcpu) => sameSlot(vcpu, slot));
}
