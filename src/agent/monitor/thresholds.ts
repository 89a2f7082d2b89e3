/**
 * Thresholds and where they come from (P-57..P-61): values built into the monitor, over them the guest's configuration
 * file, over it the host, which is where an administrator's web form writes. More origins may be added as further
 * layers. A measure without a threshold is shown and never leads to a request.
 */
import { COMBINATIONS, partId } from "./combination.ts";
import { MEASURES } from "./measure.ts";

/** The thresholds in force; of two layers that name the same id the later wins. */
export function layered(layers: readonly ThresholdLayer[]): Thresholds {
  const found = new Map<string, Threshold>();
  for (const { origin, values } of layers) {
    for (const [id, value] of Object.entries(values)) found.set(id, { id, value, origin });
  }
  return found;
}

export interface ThresholdLayer {
  readonly origin: ThresholdOrigin;
  /** By the id of a measure, a combination, or a part of one ("vcpu.composite:vm.switch-share"); `null` is none. */
  readonly values: Readonly<Record<string, number | null>>;
}

export type ThresholdOrigin = "default" | "file" | "host" | "other";

export type Thresholds = ReadonlyMap<string, Threshold>;

export interface Threshold {
  readonly id: string;
  readonly value: number | null;
  readonly origin: ThresholdOrigin;
}

/** What changed in effect, for the audit; ordered by id. */
export function thresholdChanges(before: Thresholds, after: Thresholds): readonly ThresholdChange[] {
  return [...new Set([...before.keys(), ...after.keys()])].sort().flatMap((id): ThresholdChange[] => {
    const from = before.get(id) ?? NONE;
    const to = after.get(id) ?? NONE;
    if (from.value === to.value && from.origin === to.origin) return [];
    return [{ id, from: from.value, to: to.value, fromOrigin: from.origin, toOrigin: to.origin }];
  });
}

export interface ThresholdChange {
  readonly id: string;
  readonly from: number | null;
  readonly to: number | null;
  readonly fromOrigin: ThresholdOrigin;
  readonly toOrigin: ThresholdOrigin;
}

const NONE = { value: null, origin: "default" } as const;

/** Everything that may have a threshold. */
export const THRESHOLD_IDS: readonly string[] = [
  ...MEASURES.map(({ id }) => id),
  ...COMBINATIONS.flatMap((combination) => [
    combination.id,
    ...combination.parts.map((part) => partId(combination, part)),
  ]),
];

const SHARE_DEFAULT = 0.0001;
const SWITCHES_DEFAULT = 20;
const RUNNABLE_DEFAULT = 1.5;

/**
 * The composite measure of claim 1 at each level. Waiting decides: on average half a thread more than can run.
 * The other two only keep a vCPU out that waits for one long-running thread after another without switching; measured
 * in lab guests (docs/assumptions.md), idle ones stay below 0.1 runnable threads, and two computing threads on a vCPU
 * switch 31 to 78 times a second, which is some hundredths of a percent of what the VM consumes.
 */
export const DEFAULT_THRESHOLDS: ThresholdLayer = {
  origin: "default",
  values: Object.fromEntries(
    COMBINATIONS.filter(({ id }) => id.endsWith(".composite")).flatMap((combination) => {
      const { id, parts } = combination;
      return [
        [id, 1] as const,
        ...parts.flatMap((part) => {
          const value = partDefault(part);
          return value === null ? [] : [[partId(combination, part), value] as const];
        }),
      ];
    }),
  ),
};

/** `null`: the part counts only where somebody gives it a threshold. */
function partDefault(part: string): number | null {
  if (part.includes("switch-share")) return SHARE_DEFAULT;
  if (part.includes("switches")) return SWITCHES_DEFAULT;
  return part.endsWith("runnable-threads") ? RUNNABLE_DEFAULT : null;
}
