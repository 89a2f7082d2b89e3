/**
 * Plugs vCPUs into a domain of libvirt's and takes them out. libvirt makes the device; the guest's kernel must take it,
 * or let it go, and says so through ACPI (QEMU's event ACPI_DEVICE_OST; sources and states of the ACPI specification).
 */
import { z } from "zod";
import type { VcpuSlot } from "../../core/model.ts";
import type { Milliseconds, VcpuIndex } from "../../core/units.ts";
import type { GuestChannel } from "../guest/guest_channel.ts";
import { CommandError } from "../port.ts";
import type { Timers } from "../timers.ts";
import { type KnownDomain, UNPLUGGED_NAMESPACE, vcpusByNumber } from "./known_domain.ts";
import { LibvirtError } from "./libvirt_calls.ts";
import type { Ask } from "./libvirt_domain.ts";

export interface VcpuHotplug {
  /** Resolves with the guest's number when its kernel has taken the vCPU. */
  plug(slot: VcpuSlot, signal: AbortSignal): Promise<VcpuIndex>;
  /** Resolves when QEMU no longer has it. */
  unplug(vcpu: VcpuIndex, signal: AbortSignal): Promise<void>;
  /** What the guest's kernel said: QEMU's event as JSON. */
  heed(text: string): void;
}

export interface HotplugHost {
  readonly ask: Ask;
  readonly timers: Timers;
  readonly channels: readonly GuestChannel[];
  /** With its vCPUs as they are now. */
  demand(): Promise<KnownDomain>;
  isPaused(): boolean;
}

/** libvirt waits for a guest to let go for 5 s; plugging takes milliseconds. */
const ASK_DEADLINE_MS: Milliseconds = 20_000;
const LOOK_EVERY_MS: Milliseconds = 100;
/** An agent that speaks says how the new vCPU is called within milliseconds; after this its number is worked out. */
const NUMBER_LOOKS_MAX = 15;
/** VIR_ERR_OPERATION_TIMEOUT: the guest, or QEMU, has not answered libvirt. */
const TIMED_OUT = 68;

export function createVcpuHotplug(host: HotplugHost): VcpuHotplug {
  const { ask, timers, channels } = host;
  /** What the guest's kernel said since the command under way began; commands on a domain come one after another. */
  let heard: Ost[] = [];

  async function until<T>(signal: AbortSignal, look: () => Promise<T | null>): Promise<T> {
    for (;;) {
      signal.throwIfAborted();
      const found = await look();
      if (found !== null) return found;
      await pause();
    }
  }
  function pause(): Promise<void> {
    return new Promise((resolve) => void timers.after(LOOK_EVERY_MS, resolve));
  }
  function demandRunning(name: string): void {
    if (!host.isPaused()) return;
    throw new CommandError("paused", `Domain ${name} is paused or being moved; it can take and give no vCPU`);
  }

  async function plug(slot: VcpuSlot, signal: AbortSignal): Promise<VcpuIndex> {
    const known = await host.demand();
    const { key, definition } = known;
    demandRunning(definition.name);
    const { index: place } = demandSlot(known, slot);
    heard = [];
    await ask("setVcpu", ASK_DEADLINE_MS, key, place, true);
    const status = await until(signal, async () => outcomeOf(heard, { place, sources: INSERTION }));
    if (status !== 0) {
      // As well as it can be done: the next observation shows what came of it.
      await ask("setVcpu", ASK_DEADLINE_MS, key, place, false).catch(() => undefined);
      throw new CommandError(
        "guest-refused",
        `The guest of ${definition.name} did not take the vCPU (status ${status}); see its kernel's log, its limit of vCPUs may be reached`,
      );
    }
    for (const channel of channels) channel.refresh();
    for (let looks = 0; looks < NUMBER_LOOKS_MAX; looks++) {
      signal.throwIfAborted();
      const uids = channels.map((channel) => channel.word()).find((word) => word !== null)?.uids;
      if (uids === undefined || [...uids.values()].includes(place)) break;
      await pause();
    }
    const found = vcpusByNumber(await host.demand(), channels).find(([, vcpu]) => vcpu.index === place);
    if (found === undefined)
      throw new CommandError("not-applied", `The new vCPU of ${definition.name} is gone again`);
    return found[0];
  }

  async function unplug(vcpu: VcpuIndex, signal: AbortSignal): Promise<void> {
    const known = await host.demand();
    const { key, definition } = known;
    const numbered = vcpusByNumber(known, channels);
    const there = numbered.find(([index]) => index === vcpu)?.[1];
    if (there === undefined) {
      const numbers = numbered.map(([index]) => index).join(",");
      throw new CommandError(
        "no-such-vcpu",
        `Domain ${definition.name} has vCPUs ${numbers}, not ${vcpu}; observe again`,
      );
    }
    if (!there.removable) {
      throw new CommandError(
        "not-supported",
        `vCPU ${vcpu} of ${definition.name} was there at boot and is not unplugged`,
      );
    }
    demandRunning(definition.name);
    // Before the request, for this daemon may be dead when the vCPU has gone.
    if (definition.isEmulated) await ask("setMetadata", ASK_DEADLINE_MS, key, UNPLUGGED_MARK);
    heard = [];
    const refused = await ask("setVcpu", ASK_DEADLINE_MS, key, there.index, false).then(
      () => null,
      (error: unknown) => (error instanceof LibvirtError ? error : Promise.reject(error)),
    );
    if (refused !== null && refused.code !== TIMED_OUT && !/reject/i.test(refused.message)) throw refused;
    // QEMU 7.2 does not tell libvirt that the vCPU has gone: what counts is whether it has.
    await until(signal, async () => {
      const now = vcpusByNumber(await host.demand(), channels);
      if (!now.some(([, one]) => one.index === there.index)) return true;
      const status = outcomeOf(heard, { place: there.index, sources: EJECTION });
      const no = refused !== null && refused.code !== TIMED_OUT ? refused.message : `status ${status}`;
      if ((status !== null && status !== 0) || (refused !== null && refused.code !== TIMED_OUT))
        throw new CommandError(
          "guest-refused",
          `The guest of ${definition.name} keeps vCPU ${vcpu}: ${no}; it may be in use`,
        );
      return null;
    });
  }

  return {
    plug,
    unplug,
    heed(text) {
      const said = parseOst(text);
      if (said !== null && heard.length < HEARD_MAX) heard.push(said);
    },
  };
}

/** A command on one vCPU hears a handful; a guest that says more is no reason to keep it. */
const HEARD_MAX = 256;

const UNPLUGGED_MARK = { element: "<unplugged/>", prefix: "vbal-note", namespace: UNPLUGGED_NAMESPACE };

function demandSlot(
  { definition, freeSlots }: KnownDomain,
  slot: VcpuSlot,
): KnownDomain["freeSlots"][number] {
  const free = freeSlots.find((one) => isSamePlace(one, slot));
  if (free !== undefined) return free;
  const name = `socket ${slot.guestSocket}, core ${slot.guestCore}, thread ${slot.guestThread}`;
  throw new CommandError(
    "no-such-slot",
    `${definition.name} has no free slot at ${name}; observe again, or give it a larger <vcpu>`,
  );
}

function isSamePlace(a: VcpuSlot, b: VcpuSlot): boolean {
  return a.guestSocket === b.guestSocket && a.guestCore === b.guestCore && a.guestThread === b.guestThread;
}

interface Ost {
  readonly place: number;
  readonly source: number;
  readonly status: number;
}

const ostShape = z.object({
  info: z.object({
    slot: z.string(),
    "slot-type": z.literal("CPU"),
    source: z.number(),
    status: z.number(),
  }),
});

function parseOst(text: string): Ost | null {
  try {
    const parsed = ostShape.safeParse(JSON.parse(text));
    if (!parsed.success) return null;
    const { slot, source, status } = parsed.data.info;
    return { place: Number(slot), source, status };
  } catch {
    return null;
  }
}

/** 0 for success, `null` while nothing is decided. */
function outcomeOf(
  heard: readonly Ost[],
  { place, sources }: { readonly place: number; readonly sources: ReadonlySet<number> },
): number | null {
  const said = heard.find(
    (one) =>
      one.place === place && sources.has(one.source) && !IN_PROGRESS.has(`${one.source}/${one.status}`),
  );
  return said?.status ?? null;
}

/** Bus check, device check, and the kernel's own name for an insertion. */
const INSERTION: ReadonlySet<number> = new Set([0x0, 0x1, 0x200]);
/** An eject request by the host, and one by the guest's own administrator. */
const EJECTION: ReadonlySet<number> = new Set([0x3, 0x103]);
/** An insertion (0x80) and an ejection (0x84) that are still under way. */
const IN_PROGRESS: ReadonlySet<string> = new Set(["0/128", "1/128", "512/128", "3/132", "259/132"]);
