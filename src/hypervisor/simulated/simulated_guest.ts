/** How a simulated guest carries out one `setOnline`, by its behaviour. */
import type { BalloonMechanism } from "../../core/model.ts";
import type { Milliseconds, VcpuIndex } from "../../core/units.ts";
import { unreachable } from "../../core/unreachable.ts";
import { CommandError } from "../port.ts";
import type { Timers } from "../timers.ts";
import { FLAP_AFTER_MS, isSilent, REACTION_MS, type SimulatedDomain, SLOW_STEP_MS } from "./world.ts";

export interface GuestCommand {
  readonly domain: SimulatedDomain;
  readonly online: readonly VcpuIndex[];
  readonly mechanism: BalloonMechanism;
  readonly timers: Timers;
  /** Ends the wait, not the work: what the guest was told it goes on doing (pitfall 7). */
  readonly signal: AbortSignal;
  /** Called whenever the guest's set of vCPUs changed. */
  readonly moved: () => void;
}

/** Resolves with the vCPUs in use once the guest confirms; rejects as soon as the signal says so. */
export async function commandGuest(command: GuestCommand): Promise<readonly VcpuIndex[]> {
  const { domain, mechanism, signal } = command;
  const { guest } = domain;
  if (isSilent(guest)) return ended(signal);
  if (!guest.mechanisms.includes(mechanism)) {
    throw new CommandError(
      "guest-refused",
      `The guest of ${domain.id} cannot ${mechanism} vCPUs, only ${guest.mechanisms.join(" or ")}`,
    );
  }
  switch (guest.behaviour) {
    case "obedient":
      return moveTo(command, { stepMs: REACTION_MS, atOnce: true });
    case "slow":
      return moveTo(command, { stepMs: SLOW_STEP_MS, atOnce: false });
    case "flapping": {
      const confirmed = await moveTo(command, { stepMs: REACTION_MS, atOnce: true });
      flapLater(command);
      return confirmed;
    }
    case "refusing":
      await pause(command, REACTION_MS);
      throw new CommandError("guest-refused", `The guest of ${domain.id} refused: not while I am busy`);
    case "stuck":
    case "silent":
      return ended(signal);
    default:
      return unreachable(guest.behaviour);
  }
}

/** One vCPU per step, or all after one step; a reset or a newer command ends the work. */
async function moveTo(
  command: GuestCommand,
  pace: { readonly stepMs: Milliseconds; readonly atOnce: boolean },
): Promise<readonly VcpuIndex[]> {
  const { domain, online, moved } = command;
  const { boot, guest } = domain;
  const order = ++guest.lastCommand;
  const wanted = new Set(online);
  const differs = () =>
    domain.vcpus.map((vcpu) => vcpu.index).filter((index) => wanted.has(index) !== guest.online.has(index));
  do {
    await pause(command, pace.stepMs);
    if (domain.boot !== boot || guest.lastCommand !== order) return ended(command.signal);
    for (const index of pace.atOnce ? differs() : differs().slice(0, 1)) {
      if (wanted.has(index)) guest.online.add(index);
      else guest.online.delete(index);
    }
    moved();
  } while (differs().length > 0);
  return [...guest.online].sort((a, b) => a - b);
}

function flapLater({ domain, timers, moved }: GuestCommand): void {
  const { boot } = domain;
  timers.after(FLAP_AFTER_MS, () => {
    if (domain.boot !== boot || domain.guest.behaviour !== "flapping") return;
    for (const vcpu of domain.vcpus) domain.guest.online.add(vcpu.index);
    moved();
  });
}

/** A paused domain's time stands still: it looks again later until it runs. */
function pause({ domain, timers }: GuestCommand, duration: Milliseconds): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      if (domain.state === "paused") timers.after(duration, wake);
      else resolve();
    };
    timers.after(duration, wake);
  });
}

/** Never resolves; rejects when the command is over. */
function ended(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const end = () =>
      reject(signal.reason instanceof Error ? signal.reason : new Error(String(signal.reason)));
    if (signal.aborted) end();
    else signal.addEventListener("abort", end, { once: true });
  });
}
