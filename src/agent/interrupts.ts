/** Interrupts and the vCPUs that they are allowed on (/proc/irq/N/smp_affinity_list). */
import type { Platform } from "./platform.ts";
import { formatVcpuList, parseVcpuList, sameVcpus, without } from "./vcpu_list.ts";

/** Each interrupt's vCPUs as a kernel list, by number; interrupts without such a file are left out. */
export function readInterrupts(platform: Platform): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of interruptNumbers(platform)) {
    const allowed = platform.readFile(affinityFile(name))?.trim() ?? "";
    if (allowed !== "") found[name] = allowed;
  }
  return found;
}

/**
 * Brings each recorded interrupt back to its vCPUs, the `avoid`ed ones left out. An interrupt that has no other vCPU,
 * or that the kernel does not let go, stays where it is: that is what pre-flight reports beforehand.
 */
export function steerInterrupts(
  platform: Platform,
  found: Readonly<Record<string, string>>,
  avoid: readonly number[],
): void {
  for (const [name, allowed] of Object.entries(found)) {
    const wanted = without(parseVcpuList(allowed), avoid);
    const now = platform.readFile(affinityFile(name));
    if (wanted.length === 0 || now === null || sameVcpus(wanted, parseVcpuList(now))) continue;
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

function interruptNumbers(platform: Platform): readonly string[] {
  return platform
    .listDirectory("/proc/irq")
    .filter((name) => /^\d+$/.test(name))
    .sort((a, b) => Number(a) - Number(b))
    .slice(0, INTERRUPTS_MAX);
}

function affinityFile(name: string): string {
  return `/proc/irq/${name}/smp_affinity_list`;
}
