/**
 * On which pCPUs a host that leaves vCPUs where they are has them: the simulator's own balancing spreads siblings, and a real
 * host stacks them for seconds. So a model says how far each domain is stacked (core/stacking.ts), and for every stretch of
 * time its vCPUs that may run anywhere are put on as few pCPUs as that comes to, every pCPU with as many vCPUs as the others as
 * far as possible. Who is beside whom is drawn anew each time; one draw decides for all domains, since a host that stacks one
 * of two guests stacks the other.
 */
import type { ScriptedChange } from "../../sim/controller/script.ts";
import { keyOf, uniform } from "../../sim/engine/draw.ts";

export interface LayoutDomain {
  readonly name: string;
  /** In use: one list of pCPUs for each, by number. */
  readonly pins: readonly (readonly number[])[];
  /** 0 to 1. */
  readonly stacking: number;
}

/** About ten turns of two vCPUs that share a pCPU, and many stretches in a second. */
export const STRETCH_NS = 50_000_000;

/** Everything that is moved until then; who is pinned to one pCPU stays there. */
export function layoutChanges(
  domains: readonly LayoutDomain[],
  { pcpus, untilNs, key }: { readonly pcpus: number; readonly untilNs: number; readonly key: number },
): ScriptedChange[] {
  const changes: ScriptedChange[] = [];
  const phase = uniform(keyOf(LAYOUT_STREAM, key));
  for (let stretch = 0; stretch * STRETCH_NS < untilNs; stretch++) {
    // A sequence that is even over any stretch of time: with drawn numbers, twenty stretches would be far from their mean.
    const chance = (phase + stretch * GOLDEN) % 1;
    const layout = layoutOf(domains, { pcpus, chance, key: keyOf(LAYOUT_STREAM, key, stretch) });
    for (const [d, { name, pins }] of domains.entries()) {
      if (pins.every(isFixed)) continue;
      changes.push({ at: stretch * STRETCH_NS, domain: name, pins: layout[d]! });
    }
  }
  return changes;
}

const LAYOUT_STREAM = 0x6c61_796f;
const GOLDEN = (Math.sqrt(5) - 1) / 2;

function isFixed(pins: readonly number[]): boolean {
  return pins.length === 1;
}

type Pins = readonly (readonly number[])[];

/** For each domain, where each of its vCPUs may run. */
function layoutOf(domains: readonly LayoutDomain[], options: GroupOptions): readonly Pins[] {
  const { pcpus, key } = options;
  const load = new Int32Array(pcpus);
  for (const { pins } of domains) for (const own of pins) if (isFixed(own)) load[own[0]!]!++;
  const order = shuffled(
    Array.from({ length: pcpus }, (_, p) => p),
    keyOf(key, 2),
  );
  const groups = domains
    .flatMap((domain, d) =>
      groupsOf(domain, { ...options, key: keyOf(key, 3, d) }).map((vcpus) => ({ d, vcpus })),
    )
    .sort((a, b) => b.vcpus.length - a.vcpus.length);
  const places = domains.map(({ pins }) => pins.map((own) => own));
  const taken = domains.map(() => new Set<number>());
  for (const { d, vcpus } of groups) {
    const { pins } = domains[d]!;
    const allowed = order.filter((p) => vcpus.every((v) => pins[v]!.includes(p)));
    const free = allowed.filter((p) => !taken[d]!.has(p));
    const among = free.length === 0 ? allowed : free;
    // Vcpus of one domain with pins that have nothing in common are left to the scheduler.
    if (among.length === 0) continue;
    const best = among.reduce((a, b) => (load[b]! < load[a]! ? b : a));
    load[best]! += vcpus.length;
    taken[d]!.add(best);
    for (const v of vcpus) places[d]![v] = [best];
  }
  return places;
}

interface GroupOptions {
  readonly pcpus: number;
  readonly chance: number;
  readonly key: number;
}

/** The vCPUs that go to one pCPU together. */
function groupsOf({ pins, stacking }: LayoutDomain, { pcpus, chance, key }: GroupOptions): number[][] {
  const free = pins.flatMap((own, v) => (isFixed(own) ? [] : [v]));
  if (free.length === 0) return [];
  const used = free.length - stacking * (free.length - 1);
  const whole = Math.floor(used);
  const count = Math.max(1, Math.min(pcpus, whole + (chance < used - whole ? 1 : 0)));
  const groups = Array.from({ length: count }, (): number[] => []);
  for (const [i, v] of shuffled(free, key).entries()) groups[i % count]!.push(v);
  return groups;
}

/** R. Durstenfeld, Algorithm 235, CACM 7, 1964. */
function shuffled<Item>(items: readonly Item[], key: number): Item[] {
  const result = [...items];
  for (let i = result.length - 1; 0 < i; i--) {
    const j = Math.floor(uniform(keyOf(key, i)) * (i + 1));
    [result[i], result[j]] = [result[j]!, result[i]!];
  }
  return result;
}
