/** How a simulated host plugs vCPUs into a domain and takes them out, by how the guest's kernel behaves. */
import type { VcpuSlot } from "../../core/model.ts";
import type { Milliseconds, PcpuId, VcpuIndex } from "../../core/units.ts";
import { unreachable } from "../../core/unreachable.ts";
import { CommandError } from "../port.ts";
import type { Timers } from "../timers.ts";
import {
  HOTPLUG_MS,
  HOTPLUG_SLOW_MS,
  newVcpu,
  type SimulatedDomain,
  type SimulatedVcpu,
  vcpuOf,
} from "./world.ts";

export interface HotplugCommand {
  readonly domain: SimulatedDomain;
  readonly timers: Timers;
  /** Where a new vCPU's thread may run. */
  readonly everywhere: readonly PcpuId[];
  /** Ends the wait, not the work (pitfalls 1 and 7). */
  readonly signal: AbortSignal;
  /** Called whenever the domain's vCPUs changed. */
  readonly moved: () => void;
}

/** In the order in which they should be filled; absent for a domain into which nothing can be plugged. */
export function freeSlots(domain: SimulatedDomain): VcpuSlot[] | undefined {
  return domain.slots?.filter((slot) => !domain.vcpus.some((vcpu) => isSamePlace(vcpu.slot, slot)));
}

/** Resolves with the guest's number for it. */
export async function plug(command: HotplugCommand, place: VcpuSlot): Promise<VcpuIndex> {
  const { domain, everywhere, moved } = command;
  const free = freeSlots(domain);
  if (free === undefined) {
    throw new CommandError("not-supported", `No vCPU can be plugged into ${domain.id}`);
  }
  const slot = free.find((one) => isSamePlace(one, place));
  if (slot === undefined) {
    const name = `socket ${place.guestSocket}, core ${place.guestCore}, thread ${place.guestThread}`;
    throw new CommandError("no-such-slot", `${name} of ${domain.id} is not free; observe again`);
  }
  await kernelDoes(command, `The guest of ${domain.id} did not take the vCPU`);
  const index = nextNumber(domain);
  domain.vcpus.push(newVcpu({ index, slot, removable: true }, everywhere));
  domain.vcpus.sort((a, b) => a.index - b.index);
  moved();
  return index;
}

/** Resolves when the vCPU is gone. */
export async function unplug(command: HotplugCommand, index: VcpuIndex): Promise<void> {
  const { domain, moved } = command;
  const vcpu = vcpuOf(domain, index);
  if (vcpu === undefined) {
    const there = domain.vcpus.map((one) => one.index).join(",");
    throw new CommandError(
      "no-such-vcpu",
      `Domain ${domain.id} has vCPUs ${there}, not ${index}; observe again`,
    );
  }
  if (!vcpu.removable) {
    throw new CommandError(
      "not-supported",
      `vCPU ${index} of ${domain.id} was there at boot and is not unplugged`,
    );
  }
  if (domain.leaving !== null && domain.leaving !== vcpu) {
    throw new CommandError(
      "not-applied",
      `The guest of ${domain.id} has not answered yet whether it lets go of vCPU ${domain.leaving.index}`,
    );
  }
  domain.leaving = vcpu;
  try {
    await kernelDoes(command, `The guest of ${domain.id} keeps vCPU ${index}`);
  } catch (error) {
    domain.leaving = null;
    throw error;
  }
  remove(domain, vcpu);
  moved();
}

/** The guest starts anew: what it was asked is forgotten, and it counts its vCPUs by their places. */
export function forgetHotplug(domain: SimulatedDomain): void {
  domain.leaving = null;
  const rank = (vcpu: SimulatedVcpu) => vcpu.slot.guestSocket * CORES_MAX + vcpu.slot.guestCore;
  domain.vcpus.sort((a, b) => rank(a) - rank(b));
  for (const [index, vcpu] of domain.vcpus.entries()) vcpu.index = index;
}

export function nextNumber(domain: SimulatedDomain): VcpuIndex {
  let index = 0;
  while (vcpuOf(domain, index) !== undefined) index++;
  return index;
}

/** More than any test gives a socket. */
const CORES_MAX = 4_096;

function remove(domain: SimulatedDomain, vcpu: SimulatedVcpu): void {
  domain.leaving = null;
  const at = domain.vcpus.indexOf(vcpu);
  if (at !== -1) domain.vcpus.splice(at, 1);
  domain.guest.online.delete(vcpu.index);
}

/**
 * The kernel's part of either: resolves when it has done it, rejects when it will not. One that is stuck or paused is
 * looked at again and again; a reset voids it.
 */
function kernelDoes({ domain, timers }: HotplugCommand, refusal: string): Promise<void> {
  const { boot } = domain;
  return new Promise((resolve, reject) => {
    const next = (delay: Milliseconds, then: () => void) => timers.after(delay, then);
    const act = () => {
      // Who asked has been told that the guest was reset.
      if (domain.boot !== boot) return;
      if (domain.state === "paused") return void next(HOTPLUG_MS, act);
      switch (domain.hotplug) {
        case "obedient":
        case "slow":
          return resolve();
        case "refusing":
          return reject(new CommandError("guest-refused", `${refusal}: it is busy`));
        case "stuck":
          return void next(HOTPLUG_MS, act);
        default:
          return unreachable(domain.hotplug);
      }
    };
    next(domain.hotplug === "slow" ? HOTPLUG_SLOW_MS : HOTPLUG_MS, act);
  });
}

function isSamePlace(a: VcpuSlot, b: VcpuSlot): boolean {
  return a.guestSocket === b.guestSocket && a.guestCore === b.guestCore && a.guestThread === b.guestThread;
}
