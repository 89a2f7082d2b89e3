/** Interrupts and the vCPUs that they are allowed on (/proc/irq/N/smp_affinity_list). */
import type { GuestView } from "./guest_view.ts";
import type { Platform } from "./platform.ts";
import { formatVcpuList, parseVcpuList, sameVcpus, without } from "./vcpu_list.ts";

/**
 * The vCPUs of each interrupt as a kernel list, by number, for the interrupts that a driver uses now. The others have
 * an affinity too, but nothing ever arrives on them, and reading a file for each would cost more than a change.
 */
export function readInterrupts(platform: Platform): Readonly<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const line of (platform.readFile("/proc/interrupts") ?? "").split("\n").slice(0, INTERRUPTS_MAX)) {
    const name = /^ *(\d+):/.exec(line)?.[1];
    const allowed = name === undefined ? null : platform.readFile(affinityFile(name));
    if (name !== undefined && allowed !== null) found[name] = allowed.trim();
  }
  return found;
}

/**
 * Brings each recorded interrupt back to its vCPUs, the isolated ones left out. Nothing is done for one that has no
 * online vCPU of its own left: the kernel keeps it somewhere until then. One that the kernel does not let go (EIO)
 * stays where it is.
 */
export function steerInterrupts(
  platform: Platform,
  found: Readonly<Record<string, string>>,
  view: GuestView,
): void {
  for (const [name, allowed] of Object.entries(found)) {
    const wanted = without(parseVcpuList(allowed), view.isolated);
    if (!wanted.some((vcpu) => view.online.includes(vcpu))) continue;
    const now = platform.readFile(affinityFile(name));
    if (now === null || sameVcpus(wanted, parseVcpuList(now))) continue;
    platform.writeFile(affinityFile(name), formatVcpuList(wanted));
  }
}

/** For a person: "interrupt 27 (virtio1-input.0)". */
export function describeInterrupt(platform: Platform, name: string): string {
  const files = platform.listDirectory(`/proc/irq/${name}`);
  const device = files.find((file) => !KERNEL_FILES.has(file));
  return device === undefined ? `interrupt ${name}` : `interrupt ${name} (${device})`;
}

/** A guest has a few per virtio queue; more than this are not looked at. */
const INTERRUPTS_MAX = 4_096;

const KERNEL_FILES: ReadonlySet<string> = new Set([
  "affinity_hint",
  "effective_affinity",
  "effective_affinity_list",
  "node",
  "smp_affinity",
  "smp_affinity_list",
  "spurious",
]);

function affinityFile(name: string): string {
  return `/proc/irq/${name}/smp_affinity_list`;
}
