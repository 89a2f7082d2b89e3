/** Sends one command to whichever of a guest's agents speaks, waiting for the first of them to do so. */
import type { BalloonMechanism } from "../../core/model.ts";
import type { DomainId, Milliseconds, VcpuIndex } from "../../core/units.ts";
import { CommandError } from "../port.ts";
import type { Timers } from "../timers.ts";
import type { GuestChannel } from "./guest_channel.ts";

export interface GuestRequest {
  readonly domain: DomainId;
  /** Best first. */
  readonly channels: readonly GuestChannel[];
  readonly online: readonly VcpuIndex[];
  readonly mechanism: BalloonMechanism;
  readonly timers: Timers;
  readonly signal: AbortSignal;
}

/** Silent guests are rare and their commands have deadlines of seconds: looking ten times a second is often enough. */
const LOOK_EVERY_MS: Milliseconds = 100;

/** Resolves with the vCPUs in use when the guest confirmed. */
export async function askGuest(request: GuestRequest): Promise<readonly VcpuIndex[]> {
  const { domain, channels, timers, signal } = request;
  if (channels.length === 0) {
    throw new CommandError(
      "guest-silent",
      `Domain ${domain} has no channel to its guest: give it a virtio-serial port and name its socket in the config`,
    );
  }
  for (;;) {
    signal.throwIfAborted();
    const speaks = channels.find((channel) => channel.word() !== null);
    if (speaks !== undefined) return speaks.setOnline(request.online, request.mechanism, signal);
    await new Promise<void>((resolve) => void timers.after(LOOK_EVERY_MS, resolve));
  }
}
