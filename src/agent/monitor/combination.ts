/**
 * Measures that are made of several others (P-56, P-62). A combination exceeds exactly when each of its parts exceeds
 * the threshold that it has within the combination, so its value is the least of the ratios of a part to its
 * threshold, and its own threshold is 1.
 *
 * Example: of the three parts of claim 1 with thresholds 0.001 %, 20 switches/s and 1.5 threads, readings of 0.05 %,
 * 140/s and 1.2 threads give the ratios 50, 7 and 0.8: the value is 0.8, nothing is exceeded.
 *
 * Claim 1 bases the measure on all of its parts, so a part of which nothing is known leaves no value, and a request is
 * never made for want of a reading (pitfalls 8 and 11). A part that is known to be at least so much counts with that,
 * if that alone exceeds its threshold: the value is then one that the combination is not below.
 */
import type { Level } from "./measure.ts";
import { type Measured, type MeasureHead, subjectsOf } from "./measured.ts";
import { absent, atLeast, known, type Reading, type VcpuLoad } from "./vcpu_load.ts";

/** Every combination for every subject of its level. `thresholdOf` answers `null` for a part that does not count. */
export function combineAll(
  vcpus: readonly VcpuLoad[],
  measured: readonly Measured[],
  options: CombineOptions,
): readonly Measured[] {
  const combinations = options.combinations ?? COMBINATIONS;
  const thresholds = new Map(
    combinations.map((combination) => [
      combination.id,
      combination.parts.flatMap((part): Part[] => {
        const threshold = options.thresholdOf(partId(combination, part));
        return threshold === null ? [] : [{ part, threshold }];
      }),
    ]),
  );
  const needed = new Set([...thresholds.values()].flatMap((parts) => parts.map(({ part }) => part)));
  const readings = new Map<string, Map<number | null, Reading>>();
  for (const { measure, subject, reading } of measured) {
    if (!needed.has(measure.id)) continue;
    const known = readings.get(measure.id);
    if (known === undefined) readings.set(measure.id, new Map([[subject, reading]]));
    else known.set(subject, reading);
  }
  return combinations.flatMap((combination) =>
    subjectsOf(combination.level, vcpus).map(({ subject, vcpus: members }): Measured => {
      const place: Record<Level, number | null> = { vcpu: subject, node: members[0]?.node ?? null, vm: null };
      const ratios = thresholds
        .get(combination.id)!
        .map(({ part, threshold }) =>
          ratioOf(part, readings.get(part)?.get(place[levelOf(part)]), threshold),
        );
      return { measure: headOf(combination), subject, reading: least(ratios) };
    }),
  );
}

/** One that counts. */
interface Part {
  readonly part: string;
  readonly threshold: number;
}

export interface Combination {
  readonly id: string;
  readonly requirement: string;
  readonly level: Level;
  /** Ids of measures of the same level or a wider one. */
  readonly parts: readonly string[];
  readonly what: string;
}

export interface CombineOptions {
  readonly combinations?: readonly Combination[];
  readonly thresholdOf: (id: string) => number | null;
}

/** What the threshold of a part is called. */
export function partId({ id }: Combination, part: string): string {
  return `${id}:${part}`;
}

const VARIANTS = [
  {
    name: "composite",
    requirement: "P-62",
    suffix: "",
    what: "Switching and waiting together, as in claim 1",
  },
  {
    name: "composite-other-process",
    requirement: "P-64",
    suffix: "-other-process",
    what: "The same with switches between two processes only, as in claim 5",
  },
  {
    name: "composite-same-process",
    requirement: "P-64",
    suffix: "-same-process",
    what: "The same with switches within a process only, as in claim 6",
  },
] as const;

/**
 * Claims 1 to 6 and 8 to 14: for one vCPU, for the vCPUs of a node, for all. Claims 18 and 19 (P-67) base the measure on
 * runnable processes or applications too: parts without a built-in threshold, which count when they are given one.
 */
export const COMBINATIONS: readonly Combination[] = (["vcpu", "node", "vm"] as const).flatMap((level) =>
  VARIANTS.map(
    ({ name, requirement, suffix, what }): Combination => ({
      id: `${level}.${name}`,
      requirement,
      level,
      parts: [
        `vm.switch-share${suffix}`,
        `${level}.switches${suffix}`,
        `${level}.runnable-threads`,
        `${level}.runnable-processes`,
        `${level}.runnable-applications`,
      ],
      what,
    }),
  ),
);

function levelOf(measure: string): Level {
  return measure.startsWith("vcpu.") ? "vcpu" : measure.startsWith("node.") ? "node" : "vm";
}

function headOf({ id, requirement, level, what }: Combination): MeasureHead {
  return { id, requirement, level, what, aggregation: "combination", unit: "ratio" };
}

function ratioOf(part: string, reading: Reading | undefined, threshold: number): Reading {
  if (reading === undefined) return absent(`${part} was not measured`);
  const value = atLeast(reading);
  if (reading.value === null && value <= threshold) return absent(`${part}: ${reading.why}`);
  const ratio = value === threshold ? 1 : threshold === 0 ? RATIO_MAX : value / threshold;
  const shown = reading.value === null ? `at least ${value}` : `${value}`;
  return known(Math.min(RATIO_MAX, ratio), `${part} ${shown} against ${threshold}`);
}

/** A threshold of 0 is exceeded by anything; the value must stay a number that JSON has. */
const RATIO_MAX = 1_000_000;

function least(ratios: readonly Reading[]): Reading {
  let found: Reading = absent("None of its parts has a threshold");
  for (const ratio of ratios) {
    if (ratio.value === null) return ratio;
    if (found.value === null || ratio.value < found.value) found = ratio;
  }
  return found;
}
