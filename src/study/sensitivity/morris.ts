/**
 * Screening by elementary effects (M. Morris, Technometrics 33(2), 1991; mu* after Campolongo et al., 2007): which of many
 * factors matter at all. A trajectory starts at a random point of a grid and moves one factor after the other by more
 * than half of its range; each move is one elementary effect. Cost: trajectories times (factors + 1) evaluations.
 */
import { bits, keyOf } from "../../sim/engine/draw.ts";

/** Factors lie in [0, 1]. */
export type Point = readonly number[];

export interface MorrisDesign {
  /** Of each trajectory, factors + 1 points; neighbours differ in one factor. */
  readonly trajectories: readonly (readonly Point[])[];
}

export interface ElementaryEffects {
  /** The mean of the effects' sizes: how much the factor matters. */
  readonly muStar: number;
  /** Their spread: non-linear, or entangled with other factors. */
  readonly sigma: number;
}

/** Levels 0, 1/3, 2/3, 1; a move is 2/3, so that all levels are equally likely. */
const LEVELS = 4;
const MOVE = LEVELS / (2 * (LEVELS - 1));

export function morrisDesign(factors: number, count: number, seed: number): MorrisDesign {
  const trajectories = Array.from({ length: count }, (_, t) => {
    const draw = drawer(keyOf(seed, t));
    const order = shuffled(factors, draw);
    const point = Array.from({ length: factors }, () => draw(LEVELS / 2) / (LEVELS - 1));
    // Half of the factors begin high and move down.
    const start = point.map((value) => (draw(2) === 1 ? value + MOVE : value));
    const points: number[][] = [start];
    for (const factor of order) {
      const next = [...points.at(-1)!];
      next[factor] = next[factor]! < 0.5 ? next[factor]! + MOVE : next[factor]! - MOVE;
      points.push(next);
    }
    return points;
  });
  return { trajectories };
}

/** `values` are those of the design's points, trajectory by trajectory. */
export function elementaryEffects(
  { trajectories }: MorrisDesign,
  values: readonly (readonly number[])[],
): ElementaryEffects[] {
  const factors = trajectories[0]![0]!.length;
  const effects = Array.from({ length: factors }, (): number[] => []);
  trajectories.forEach((points, t) => {
    for (let i = 1; i < points.length; i++) {
      const factor = points[i]!.findIndex((value, f) => value !== points[i - 1]![f]);
      const step = points[i]![factor]! - points[i - 1]![factor]!;
      effects[factor]!.push((values[t]![i]! - values[t]![i - 1]!) / step);
    }
  });
  return effects.map((each) => {
    const mean = sum(each) / each.length;
    const squares = sum(each.map((effect) => (effect - mean) ** 2));
    return {
      muStar: sum(each.map(Math.abs)) / each.length,
      sigma: Math.sqrt(squares / Math.max(1, each.length - 1)),
    };
  });
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

function drawer(key: number): (below: number) => number {
  let n = 0;
  return (below) => (bits(key, n++) >>> 0) % below;
}

/** Fisher and Yates. */
function shuffled(count: number, draw: (below: number) => number): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = draw(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
