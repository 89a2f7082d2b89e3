/** Pins through libvirt, and reads back what came of it: the kernel's word on this machine, libvirt's on another. */
import type { Milliseconds, PcpuId, VcpuIndex } from "../../core/units.ts";
import type { GuestChannel } from "../guest/guest_channel.ts";
import { linuxAffinity } from "../linux/affinity.ts";
import { CommandError } from "../port.ts";
import { cpusetCeiling } from "./cpuset_ceiling.ts";
import { type KnownDomain, vcpusByNumber } from "./known_domain.ts";
import { LibvirtError, NO_DOMAIN } from "./libvirt_calls.ts";
import type { Ask } from "./libvirt_domain.ts";

export interface Pinning {
  readonly known: KnownDomain;
  readonly pcpus: readonly PcpuId[];
  readonly ask: Ask;
  readonly deadline: Milliseconds;
}

/** New emulator threads may appear while we pin the old ones, with the old pins; this many rounds catch them. */
const PIN_ROUNDS_MAX = 5;

export async function pinVcpu(
  { known, pcpus, ask, deadline }: Pinning,
  vcpu: { readonly index: VcpuIndex; readonly channels: readonly GuestChannel[] },
): Promise<void> {
  const { key, definition, machine } = known;
  const place = demandVcpus(known, vcpu.channels, [vcpu.index])[0]!;
  const what = `vCPU ${vcpu.index} of ${definition.name}`;
  await demandAtRest({ known, ask, deadline });
  demandWithinCeiling(known, machine?.vcpuThread(place) ?? null, { what, pcpus });
  await ask("pinVcpu", deadline, key, place, pcpus).catch(rethrow);
  const real =
    machine === null
      ? (await ask("vcpuPins", deadline, key, definition.vcpus.length))[place]
      : machine.vcpuPins(place);
  demandSame(what, pcpus, real);
}

export async function pinEmulator({ known, pcpus, ask, deadline }: Pinning): Promise<void> {
  const { key, definition, machine } = known;
  const what = `The emulator of ${definition.name}`;
  await demandAtRest({ known, ask, deadline });
  demandWithinCeiling(known, machine?.otherThreads()[0] ?? null, { what, pcpus });
  await ask("pinEmulator", deadline, key, pcpus).catch(rethrow);
  for (const thread of definition.ioThreads)
    await ask("pinIoThread", deadline, key, thread, pcpus).catch(rethrow);
  if (machine !== null) pinTheRest(machine, pcpus);
  const real = machine === null ? await ask("emulatorPins", deadline, key) : machine.otherPins();
  demandSame(what, pcpus, real);
}

/** Pitfalls 19, 20: whoever moves or saves a domain may read and restore its pins, too. */
export async function demandAtRest({ known, ask, deadline }: Omit<Pinning, "pcpus">): Promise<void> {
  known.job = await ask("job", deadline, known.key).catch(orNoJob);
  if (known.job === 0) return;
  throw new CommandError(
    "paused",
    `Domain ${known.definition.name} is being migrated, saved, dumped or snapshotted; nothing is done to it until that is over`,
  );
}

/** Drivers without jobs have none under way. */
export function orNoJob(error: unknown): number {
  if (error instanceof LibvirtError && error.code !== NO_DOMAIN) return 0;
  return rethrow(error);
}

/** libvirt's numbers of these vCPUs; throws where one is not there. */
export function demandVcpus(
  known: KnownDomain,
  channels: readonly GuestChannel[],
  wanted: readonly VcpuIndex[],
): readonly VcpuIndex[] {
  const there = new Map(vcpusByNumber(known, channels).map(([index, vcpu]) => [index, vcpu.index]));
  const unknown = wanted.filter((index) => !there.has(index));
  if (unknown.length === 0) return wanted.map((index) => there.get(index)!);
  throw new CommandError(
    "no-such-vcpu",
    `Domain ${known.definition.name} has vCPUs ${[...there.keys()].join(",")}, not ${unknown.join(",")}; observe again`,
  );
}

/** libvirt pins the process and its I/O threads; QEMU has others, for which libvirt has no call. */
function pinTheRest(machine: NonNullable<KnownDomain["machine"]>, pcpus: readonly PcpuId[]): void {
  for (let round = 0; round < PIN_ROUNDS_MAX; round++) {
    const left = machine
      .otherThreads()
      .filter((thread) => String(linuxAffinity.get(thread) ?? pcpus) !== String(pcpus));
    if (left.length === 0) return;
    // What the kernel refuses shows when the outcome is read back.
    for (const thread of left) linuxAffinity.set(thread, pcpus);
  }
}

/** A pin beyond what the machine's cpuset holds is refused, and shown as a problem until one within it succeeds. */
function demandWithinCeiling(
  known: KnownDomain,
  thread: number | null,
  { what, pcpus }: { readonly what: string; readonly pcpus: readonly PcpuId[] },
): void {
  known.fight = null;
  const ceiling = thread === null ? null : cpusetCeiling(thread);
  const beyond = pcpus.filter((pcpu) => ceiling !== null && !ceiling.pcpus.includes(pcpu));
  if (ceiling === null || beyond.length === 0) return;
  known.fight = `${what} cannot be pinned to pCPUs ${pcpus.join(",")}: the cpuset of ${ceiling.group} holds only ${ceiling.pcpus.join(",")}. Widen it (systemd: AllowedCPUs= of machine.slice), or give vbal's pool only these pCPUs`;
  throw new CommandError("not-applied", known.fight);
}

function demandSame(
  what: string,
  pcpus: readonly PcpuId[],
  real: readonly PcpuId[] | null | undefined,
): void {
  if (String(real) === String(pcpus)) return;
  throw new CommandError(
    "not-applied",
    `${what} may run on ${real?.join(",") ?? "nobody knows where"} instead of ${pcpus.join(",")}: somebody else pins it`,
  );
}

/** libvirt's refusal as the port's. */
export function rethrow(error: unknown): never {
  if (!(error instanceof LibvirtError)) throw error;
  const failure = error.code === NO_DOMAIN ? "no-such-domain" : "not-applied";
  throw new CommandError(failure, `libvirt refused: ${error.message}`);
}
