/** Sorts traced switches into kinds: within a process, between two, to and from idle. */
import type { SwitchKinds } from "./switch_kinds.ts";

export function classify(trace: TracedSwitches, of: Classification): SwitchKinds {
  const vcpus = new Map<
    number,
    Record<"sameProcess" | "otherProcess" | "unknown" | "fromIdle" | "toIdle", number>
  >();
  let listed = 0;
  let unknown = 0;
  for (const { vcpu, prev, next, count } of trace.pairs) {
    const kinds = vcpus.get(vcpu) ?? { sameProcess: 0, otherProcess: 0, unknown: 0, fromIdle: 0, toIdle: 0 };
    const kind = kindOf(prev, next, of.find);
    kinds[kind] += count;
    vcpus.set(vcpu, kinds);
    listed += count;
    if (kind === "unknown") unknown += count;
  }
  const told = trace.hits === 0 ? 1 : (listed - unknown) / Math.max(trace.hits, listed);
  const traced = Math.min(1, trace.tracedMs / of.intervalMs);
  return {
    vcpus,
    source: `Trace of ${percent(traced)} of the interval, ${percent(told)} of its switches told apart`,
  };
}

export interface TracedSwitches {
  readonly tracedMs: number;
  readonly pairs: readonly {
    readonly vcpu: number;
    /** Thread ids; 0 is idle. */
    readonly prev: number;
    readonly next: number;
    readonly count: number;
  }[];
  readonly hits: number;
}

export interface Classification {
  readonly intervalMs: number;
  readonly find: (tid: number) => { readonly process: number } | undefined;
}

function kindOf(
  prev: number,
  next: number,
  find: Classification["find"],
): "sameProcess" | "otherProcess" | "unknown" | "fromIdle" | "toIdle" {
  if (prev === 0) return "fromIdle";
  if (next === 0) return "toIdle";
  const [a, b] = [find(prev), find(next)];
  if (a === undefined || b === undefined) return "unknown";
  return a.process === b.process ? "sameProcess" : "otherProcess";
}

function percent(part: number): string {
  return `${Math.round(part * 100)} %`;
}
