/** How a vCPU's context switches divide into those within a process, between two, and to and from idle. */
import { absent, known, type Reading } from "./vcpu_load.ts";

/**
 * Applies the shares seen in the traced part of an interval to the kernel's exact totals: switches to threads per
 * vCPU (`arrivals`) and switches in all (`total`), which the vCPUs' numbers add up to.
 */
export function switchesOf(interval: {
  readonly arrivals: ReadonlyMap<number, number | null>;
  readonly total: number;
  readonly kinds: SwitchKinds | string;
}): ReadonlyMap<number, SwitchCounts> {
  const { arrivals, total, kinds } = interval;
  const counted = [...arrivals].flatMap(([vcpu, count]) => (count === null ? [] : [[vcpu, count] as const]));
  const toThreads = counted.reduce((sum, [, count]) => sum + count, 0);
  // The two files are read one after the other: a switch in between must not make a negative number.
  const toIdle = Math.max(0, total - toThreads);
  const idleShares = idleSharesOf(counted, kinds);
  return new Map(
    counted.map(([vcpu, count]) => {
      const idle = toIdle * (idleShares.shares.get(vcpu) ?? 0);
      // As often as vCPUs went idle they came back: no more of one vCPU's switches to threads can be from idle.
      const between = Math.max(0, count - toIdle);
      return [vcpu, countsOf({ vcpu, count, idle, between, kinds, idleSource: idleShares.source })];
    }),
  );
}

/** Within the interval. */
export interface SwitchCounts {
  readonly inAll: Reading;
  readonly sameProcess: Reading;
  readonly otherProcess: Reading;
  /** Between two threads, so many at least. */
  readonly between: number;
}

/** What the traced part of an interval showed. */
export interface SwitchKinds {
  readonly vcpus: ReadonlyMap<number, TracedKinds>;
  /** For people: how long was traced, and what part of it could be told apart. */
  readonly source: string;
}

export interface TracedKinds {
  readonly sameProcess: number;
  readonly otherProcess: number;
  /** Between two threads of which one was not identified. */
  readonly unknown: number;
  readonly fromIdle: number;
  readonly toIdle: number;
}

function idleSharesOf(
  arrivals: readonly (readonly [number, number])[],
  kinds: SwitchKinds | string,
): { readonly shares: ReadonlyMap<number, number>; readonly source: string } {
  const traced = typeof kinds === "string" ? new Map<number, TracedKinds>() : kinds.vcpus;
  const seen = arrivals.map(([vcpu]) => [vcpu, traced.get(vcpu)?.toIdle ?? 0] as const);
  const sum = seen.reduce((total, [, idle]) => total + idle, 0);
  const exact = arrivals.length === 1;
  if (0 < sum || exact) {
    return {
      shares: new Map(seen.map(([vcpu, idle]) => [vcpu, exact ? 1 : idle / sum])),
      source: "/proc/schedstat, /proc/stat",
    };
  }
  const all = arrivals.reduce((total, [, count]) => total + count, 0);
  return {
    shares: new Map(arrivals.map(([vcpu, count]) => [vcpu, all === 0 ? 0 : count / all])),
    source: "/proc/schedstat, /proc/stat; switches to idle divided like those to threads",
  };
}

function countsOf(of: {
  readonly vcpu: number;
  readonly count: number;
  readonly idle: number;
  readonly between: number;
  readonly kinds: SwitchKinds | string;
  readonly idleSource: string;
}): SwitchCounts {
  const { vcpu, count, idle, between, kinds, idleSource } = of;
  const inAll = known(count + idle, idleSource);
  if (typeof kinds === "string") {
    return { inAll, sameProcess: absent(kinds), otherProcess: absent(kinds), between };
  }
  const { sameProcess, otherProcess, unknown, fromIdle } = kinds.vcpus.get(vcpu) ?? NONE;
  const told = sameProcess + otherProcess;
  const seen = told + unknown + fromIdle;
  // Nothing seen in the traced part, or nothing at all: there is no share to apply.
  if (seen === 0) {
    const nothing = count <= QUIET_MAX ? known(0, kinds.source) : absent(NO_SWITCH_SEEN);
    return { inAll, sameProcess: nothing, otherProcess: nothing, between };
  }
  const traced = (count * (told + unknown)) / seen;
  if (told < unknown) {
    const why = `Too few threads are identified yet: ${told} of ${told + unknown} switches`;
    const some = (kind: number): Reading => absent(why, (count * kind) / seen);
    return { inAll, sameProcess: some(sameProcess), otherProcess: some(otherProcess), between: traced };
  }
  const part = (kind: number): Reading => known(told === 0 ? 0 : (traced * kind) / told, kinds.source);
  return { inAll, sameProcess: part(sameProcess), otherProcess: part(otherProcess), between: traced };
}

const NONE: TracedKinds = { sameProcess: 0, otherProcess: 0, unknown: 0, fromIdle: 0, toIdle: 0 };

/** Longer looking does not help: there is hardly any. */
export const NO_SWITCH_SEEN = "No switch fell into the traced part";
/** So few switches in an interval are no load, whatever kind they were. */
const QUIET_MAX = 20;
