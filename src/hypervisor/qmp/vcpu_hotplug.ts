/**
 * Plugs vCPUs into a QEMU guest and takes them out, through ACPI: QEMU makes the device and the guest's kernel must
 * take it; QEMU asks for it back and the guest must let go. The guest's kernel says what it made of either
 * (ACPI_DEVICE_OST, sources and states of the ACPI specification, _OST), with or without an agent. Source: QEMU's
 * docs/system/cpu-hotplug, qapi/acpi.json.
 *
 * An unplug is only a request (pitfall 1). While the guest has not answered it the vCPU is *leaving*: it is not asked
 * for again, and no other is, until the guest said no, was reset (which makes it forget) or kept silent for long.
 */
import type { VcpuSlot } from "../../core/model.ts";
import type { DomainId, Milliseconds, VcpuIndex } from "../../core/units.ts";
import type { GuestChannel } from "../guest/guest_channel.ts";
import { CommandError } from "../port.ts";
import type { Timers } from "../timers.ts";
import { addNote, deviceAdd, deviceDel } from "./qmp_commands.ts";
import { type QmpConnection, QmpError, type QmpEvent } from "./qmp_connection.ts";
import { cpusByNumber, type QmpProcess, wordOf } from "./qmp_process.ts";
import { UNPLUGGED_NOTE } from "./vcpu_facts.ts";
import { type FreeSlot, isSamePlace, placeOf } from "./vcpu_slots.ts";

export interface VcpuHotplug {
  /** Resolves with the guest's number when its kernel has taken the vCPU. */
  plug(slot: VcpuSlot, signal: AbortSignal): Promise<VcpuIndex>;
  /** Resolves when QEMU no longer has it. */
  unplug(vcpu: VcpuIndex, signal: AbortSignal): Promise<void>;
  /** Every event of the monitor, after the domain has drawn its own conclusions. */
  heed(event: QmpEvent): void;
  /** Something else happened: the guest spoke, the process ended. */
  stir(): void;
}

export interface HotplugHost {
  readonly timers: Timers;
  readonly channels: readonly GuestChannel[];
  /** The process with its vCPUs as they are now. Rejects with a `CommandError` when there is no telling. */
  demand(): Promise<QmpProcess>;
  /** The process with what was known last; `null` when it ended. */
  known(): QmpProcess | null;
  isPaused(): boolean;
  /** Throws a `CommandError` while there is no connection. */
  monitor(): QmpConnection;
}

/** QMP answers within a millisecond when QEMU is well. */
const QMP_DEADLINE_MS: Milliseconds = 2_000;
/** Events may be lost with the connection: so often a command looks for itself. */
const LOOK_EVERY_MS: Milliseconds = 250;
/** An agent that speaks says how the new vCPU is called within milliseconds; after this its number is worked out. */
const NUMBER_PATIENCE_MS: Milliseconds = 1_500;
/** A guest that did not take a vCPU is asked once to let it go again, and not waited for longer. */
const ROLLBACK_MS: Milliseconds = 2_000;
/** A guest that has not answered an unplug for so long has lost it (it was in its firmware, or has no driver). */
export const LEAVING_MAX_MS: Milliseconds = 30_000;

/** Everything but a test that shows what one is for uses `HOTPLUG_SAFEGUARDS`. */
export interface HotplugSafeguards {
  /** No vCPU is asked for while the guest owes an answer about another. Off: a slow guest loses two at once. */
  readonly oneLeaving: boolean;
}

export const HOTPLUG_SAFEGUARDS: HotplugSafeguards = { oneLeaving: true };

export function createVcpuHotplug(
  host: HotplugHost,
  safeguards: HotplugSafeguards = HOTPLUG_SAFEGUARDS,
): VcpuHotplug {
  const { timers, channels } = host;
  /** What the monitor said since the command under way began; commands on a domain come one after another. */
  let heard: QmpEvent[] = [];
  let leaving: { readonly path: string; readonly forget: () => void } | null = null;
  const waiting = new Set<() => void>();

  function stir(): void {
    for (const wake of Array.from(waiting)) wake();
  }
  /** Looks now, after each stir and every `LOOK_EVERY_MS`; rejects with the signal's reason. */
  async function until<T>(signal: AbortSignal, look: () => Promise<T | null> | T | null): Promise<T> {
    for (;;) {
      signal.throwIfAborted();
      const found = await look();
      if (found !== null) return found;
      await new Promise<void>((resolve) => {
        const wake = () => {
          cancel();
          waiting.delete(wake);
          signal.removeEventListener("abort", wake);
          resolve();
        };
        const cancel = timers.after(LOOK_EVERY_MS, wake);
        waiting.add(wake);
        signal.addEventListener("abort", wake, { once: true });
      });
    }
  }

  function demandRunning(id: DomainId): void {
    if (!host.isPaused()) return;
    throw new CommandError(
      "paused",
      `Domain ${id} is paused or being migrated; its guest takes and gives no vCPU until that is over`,
    );
  }

  async function plug(slot: VcpuSlot, signal: AbortSignal): Promise<VcpuIndex> {
    const known = await host.demand();
    const { id } = known;
    demandRunning(id);
    const free = demandSlot(known, slot);
    const listedBefore = listed();
    heard = [];
    await sayToQemu(() => deviceAdd(host.monitor(), free.device, QMP_DEADLINE_MS), `plug a vCPU into ${id}`);
    const { place, outcome } = await until(signal, async () => {
      const cpu = (await host.demand()).vcpus.cpus.find((one) => isSamePlace(placeOf(one.props), slot));
      if (cpu === undefined) return null;
      const said = insertion(heard, cpu["cpu-index"]);
      return said === null ? null : { place: cpu["cpu-index"], outcome: said };
    });
    if (outcome !== "taken") {
      await takeBack(free, signal);
      throw new CommandError(
        "guest-refused",
        `The guest of ${id} did not take the vCPU (${outcome}); see its kernel's log, its limit of vCPUs may be reached`,
      );
    }
    return numberOf({ place, listedBefore, signal });
  }

  /** The guest's number for a vCPU that its kernel has just taken. */
  async function numberOf(asked: {
    readonly place: number;
    readonly listedBefore: ReadonlySet<VcpuIndex>;
    readonly signal: AbortSignal;
  }): Promise<VcpuIndex> {
    const { place, listedBefore, signal } = asked;
    for (const channel of channels) channel.refresh();
    const patience = new AbortController();
    const cancel = timers.after(NUMBER_PATIENCE_MS, () => patience.abort());
    try {
      const isNew = (vcpu: VcpuIndex) => !listedBefore.has(vcpu);
      await until(AbortSignal.any([signal, patience.signal]), () => {
        const word = wordOf(channels);
        if (word === null) return "silent";
        const added = [...listed()].filter(isNew);
        const known = host.known();
        // An agent that tells no firmware numbers lists one more vCPU than before: it can only be this one.
        if (word.uids?.size === 0 || word.uids === undefined) {
          const [only] = added;
          if (only === undefined || known === null) return null;
          known.numbers = new Map([...known.numbers, [place, only]]);
          return "added";
        }
        return [...word.uids.values()].includes(place) ? "told" : null;
      });
    } catch (error) {
      if (signal.aborted) throw error;
    } finally {
      cancel();
    }
    const known = await host.demand();
    const found = cpusByNumber(known, wordOf(channels)).find(([, cpu]) => cpu["cpu-index"] === place);
    if (found === undefined)
      throw new CommandError("not-applied", `The new vCPU of ${known.id} is gone again`);
    return found[0];
  }
  function listed(): ReadonlySet<VcpuIndex> {
    return new Set(wordOf(channels)?.report.vcpus.map((vcpu) => vcpu.index));
  }

  /** As well as it can be done: the next observation shows what came of it. */
  async function takeBack(free: FreeSlot, signal: AbortSignal): Promise<void> {
    const bounded = AbortSignal.any([signal, timeout(ROLLBACK_MS)]);
    try {
      await deviceDel(host.monitor(), String(free.device["id"]), QMP_DEADLINE_MS);
      await until(bounded, async () =>
        (await has(`/machine/peripheral/${String(free.device["id"])}`)) ? null : true,
      );
    } catch {
      // The guest does not let go of what it did not take: it stays plugged and offline, for the next look to show.
    }
  }
  function timeout(after: Milliseconds): AbortSignal {
    const controller = new AbortController();
    timers.after(after, () => controller.abort());
    return controller.signal;
  }

  async function unplug(vcpu: VcpuIndex, signal: AbortSignal): Promise<void> {
    const known = await host.demand();
    const { id } = known;
    const numbered = cpusByNumber(known, wordOf(channels));
    const path = numbered.find(([index]) => index === vcpu)?.[1]["qom-path"];
    if (path === undefined) {
      const there = numbered.map(([index]) => index).join(",");
      throw new CommandError("no-such-vcpu", `Domain ${id} has vCPUs ${there}, not ${vcpu}; observe again`);
    }
    if (!known.vcpus.hotplugged.has(path)) {
      throw new CommandError("not-supported", `vCPU ${vcpu} of ${id} was there at boot and is not unplugged`);
    }
    demandRunning(id);
    if (!safeguards.oneLeaving) stay();
    if (leaving !== null && leaving.path !== path) {
      throw new CommandError(
        "not-applied",
        `The guest of ${id} has not answered yet whether it lets go of ${leaving.path}; one vCPU after another`,
      );
    }
    heard = [];
    if (leaving === null) {
      leave(path);
      try {
        await noteUnplug(known);
        const ask = () => deviceDel(host.monitor(), path, QMP_DEADLINE_MS);
        await sayToQemu(ask, `unplug vCPU ${vcpu} of ${id}`, /already in the process of unplug/);
      } catch (error) {
        stay();
        throw error;
      }
    }
    await until(signal, async () => {
      if (!(await has(path))) return "gone";
      const no = refusal(heard, { path, place: placeIn(known, path) });
      if (no !== null) {
        throw new CommandError("guest-refused", `The guest of ${id} keeps vCPU ${vcpu}: ${no}`);
      }
      if (heard.some(({ event }) => event === "RESET")) {
        throw new CommandError(
          "connection-lost",
          `The guest of ${id} was reset while it should give vCPU ${vcpu}: it starts with it; ask again`,
        );
      }
      return null;
    });
    stay();
  }
  /** Before the request, for this daemon may be dead when the vCPU has gone; a guest that says no loses its slots too. */
  async function noteUnplug({ vcpus }: QmpProcess): Promise<void> {
    if (!vcpus.emulated) return;
    const note = () => addNote(host.monitor(), UNPLUGGED_NOTE, QMP_DEADLINE_MS);
    await sayToQemu(note, "keep a note", /duplicate|already exists|attempt to add/i);
  }
  async function has(path: string): Promise<boolean> {
    return (await host.demand()).vcpus.cpus.some((cpu) => cpu["qom-path"] === path);
  }
  function leave(path: string): void {
    const cancel = timers.after(LEAVING_MAX_MS, stay);
    leaving = { path, forget: cancel };
  }
  function stay(): void {
    leaving?.forget();
    leaving = null;
  }

  return {
    plug,
    unplug,
    stir,
    heed(event) {
      if (heard.length < HEARD_MAX) heard.push(event);
      const known = host.known();
      if (leaving !== null && known !== null) {
        const place = placeIn(known, leaving.path);
        const over =
          event.event === "RESET" ||
          isDeleted(event, leaving.path) ||
          refusal([event], { path: leaving.path, place }) !== null;
        if (over) stay();
      }
      stir();
    },
  };
}

/** A command on one vCPU hears a handful of events; a guest that makes more of them is no reason to keep them. */
const HEARD_MAX = 256;

function demandSlot({ id, vcpus }: QmpProcess, slot: VcpuSlot): FreeSlot {
  const { cpus, freeSlots } = vcpus;
  if (typeof freeSlots === "string") {
    throw new CommandError("not-supported", `No vCPU can be plugged into ${id}: ${freeSlots}`);
  }
  const free = freeSlots.find((one) => isSamePlace(one.slot, slot));
  if (free !== undefined) return free;
  const name = `socket ${slot.guestSocket}, core ${slot.guestCore}, thread ${slot.guestThread}`;
  const filled = cpus.some((cpu) => isSamePlace(placeOf(cpu.props), slot));
  throw new CommandError(
    "no-such-slot",
    filled
      ? `${name} of ${id} has a vCPU already; observe again`
      : `${id} has no slot at ${name}; observe again`,
  );
}

/** Runs a monitor command; QEMU's refusal becomes the command's, but for one that means "I am at it". */
async function sayToQemu(ask: () => Promise<void>, what: string, underWay?: RegExp): Promise<void> {
  try {
    await ask();
  } catch (error) {
    if (!(error instanceof QmpError)) throw error;
    if (underWay?.test(error.message) === true) return;
    throw new CommandError("not-applied", `QEMU would not ${what}: ${error.message}`);
  }
}

function placeIn(known: QmpProcess, path: string): number | null {
  return known.vcpus.cpus.find((cpu) => cpu["qom-path"] === path)?.["cpu-index"] ?? null;
}

/** QEMU 7.2 tells of a part of the vCPU (its local APIC) instead of the vCPU itself. */
function isDeleted({ event, data }: QmpEvent, path: string): boolean {
  const said = data["path"];
  return (
    event === "DEVICE_DELETED" && typeof said === "string" && (said === path || said.startsWith(`${path}/`))
  );
}

/** "taken", or why not; `null`: nothing yet. A guest that starts anew meanwhile finds the vCPU in its firmware's tables. */
function insertion(heard: readonly QmpEvent[], place: number): string | null {
  for (const event of heard) {
    if (event.event === "RESET") return "taken";
    const said = ostOf(event, place);
    if (said === null || !INSERTION_SOURCES.has(said.source) || said.status === OST_INSERT_IN_PROGRESS)
      continue;
    return said.status === OST_SUCCESS ? "taken" : `its kernel answered with status ${said.status}`;
  }
  return null;
}

function refusal(
  heard: readonly QmpEvent[],
  { place }: { readonly path: string; readonly place: number | null },
): string | null {
  for (const event of heard) {
    const said = place === null ? null : ostOf(event, place);
    if (said === null || !EJECT_SOURCES.has(said.source)) continue;
    if (said.status === OST_SUCCESS || said.status === OST_EJECT_IN_PROGRESS) continue;
    return EJECT_REFUSALS.get(said.status) ?? `its kernel answered with status ${said.status}`;
  }
  return null;
}

interface Ost {
  readonly source: number;
  readonly status: number;
}

function ostOf({ event, data }: QmpEvent, place: number): Ost | null {
  if (event !== "ACPI_DEVICE_OST") return null;
  const { info } = data as { info?: Record<string, unknown> };
  if (info?.["slot-type"] !== "CPU" || Number(info["slot"]) !== place) return null;
  return { source: Number(info["source"]), status: Number(info["status"]) };
}

/** Bus check, device check, and the kernel's own name for an insertion. */
const INSERTION_SOURCES: ReadonlySet<number> = new Set([0x0, 0x1, 0x200]);
/** An eject request by the host, and one by the guest's own administrator. */
const EJECT_SOURCES: ReadonlySet<number> = new Set([0x3, 0x103]);
const OST_SUCCESS = 0;
const OST_INSERT_IN_PROGRESS = 0x80;
const OST_EJECT_IN_PROGRESS = 0x84;
const EJECT_REFUSALS: ReadonlyMap<number, string> = new Map([
  [0x80, "it does not support that"],
  [0x81, "it is in use"],
  [0x82, "it is busy"],
  [0x83, "something that depends on it is busy"],
]);
