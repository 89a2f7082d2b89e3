/** The kernel's lists of vCPUs: "0-2,5" is [0, 1, 2, 5]. What is not a list reads as empty. */
import { VCPUS_MAX } from "../protocol/guest_messages.ts";

export function parseVcpuList(text: string | null): readonly number[] {
  const vcpus = new Set<number>();
  for (const range of (text ?? "").trim().split(",")) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(range);
    if (match === null) continue;
    const first = Number(match[1]);
    const last = Math.min(Number(match[2] ?? match[1]), VCPUS_MAX - 1);
    for (let vcpu = first; vcpu <= last; vcpu++) vcpus.add(vcpu);
  }
  return [...vcpus].sort((a, b) => a - b);
}

/** Expects ascending numbers. */
export function formatVcpuList(vcpus: readonly number[]): string {
  const ranges: string[] = [];
  let first = 0;
  for (let i = 0; i < vcpus.length; i++) {
    if (vcpus[i + 1] === vcpus[i]! + 1) continue;
    ranges.push(first === i ? `${vcpus[i]}` : `${vcpus[first]}-${vcpus[i]}`);
    first = i + 1;
  }
  return ranges.join(",");
}

/** The hexadecimal mask that every taskset understands: [0, 1, 5] is "23". */
export function vcpuMask(vcpus: readonly number[]): string {
  return vcpus.reduce((mask, vcpu) => mask | (1n << BigInt(vcpu)), 0n).toString(16);
}

export function without(vcpus: readonly number[], taken: readonly number[]): readonly number[] {
  return vcpus.filter((vcpu) => !taken.includes(vcpu));
}

export function sameVcpus(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((vcpu, i) => vcpu === b[i]);
}
