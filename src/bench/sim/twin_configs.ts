/** Small models of many shapes for comparing digests: from one pCPU to more than the slots' scan, with and without overcommit. */
import type { MiniConfig } from "./mini2l.ts";

/** [pCPUs, domains, vCPUs of each, sections between barriers] */
const SHAPES: readonly (readonly [number, number, number, number])[] = [
  [1, 1, 1, 1],
  [1, 1, 2, 5],
  [1, 3, 1, 10],
  [2, 1, 2, 50],
  [2, 2, 2, 2000],
  [3, 2, 2, 1],
  [4, 1, 8, 50],
  [4, 2, 4, 50],
  [4, 2, 4, 2000],
  [4, 4, 4, 100],
  [6, 3, 4, 20],
  [8, 2, 8, 50],
  [8, 2, 8, 2000],
  [12, 1, 12, 50],
  [12, 2, 6, 50],
  [12, 2, 12, 50],
  [12, 2, 12, 2000],
  [12, 3, 12, 500],
  [24, 2, 24, 50],
  [32, 2, 32, 50],
  [33, 2, 33, 50],
  [48, 2, 48, 2000],
  [64, 2, 64, 50],
];
const SEEDS = [1, 2, 20_261_120];

export const TWIN_SHAPES = SHAPES.length;
export const TWIN_SEEDS = SEEDS.length;

export function twinConfigs(events: number): MiniConfig[] {
  return SHAPES.flatMap(([pcpus, domains, vcpus, sections]) =>
    SEEDS.map((seed) => ({ pcpus, domains, vcpus, sections, seed, events })),
  );
}
