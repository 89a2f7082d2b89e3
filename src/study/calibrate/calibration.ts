/**
 * The result of calibration: for each program the values of the parameters that were fitted, which enter every
 * scenario as workload data (`set`). None depends on a policy or on a platform.
 */

import { parse, stringify } from "yaml";
import { z } from "zod";
import type { FitResult } from "./calibrate.ts";

export interface Calibration {
  readonly set: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export const UNCALIBRATED: Calibration = { set: {} };

const FILE = z.object({
  set: z.record(z.string(), z.record(z.string(), z.number())),
});

/** Throws for a file that no calibration wrote. */
export function parseCalibration(text: string): Calibration {
  return FILE.parse(parse(text));
}

/** The file that calibration writes: what scenarios take, and how it came about. Equal fits give equal files. */
export function renderCalibration(fits: readonly FitResult[], version: string): string {
  const digits = (value: number): number => Number(value.toPrecision(4));
  const file = {
    set: Object.fromEntries(fits.map(({ program, after }) => [program, after])),
    fits: fits.map(({ program, before, evaluations, targets }) => ({
      program,
      library: before,
      evaluations,
      targets: targets.map((target) => ({
        ...target,
        before: digits(target.before),
        after: digits(target.after),
      })),
    })),
  };
  return `# Written by \`vbal sim calibrate\` (vbal ${version}); do not edit. Single VMs only: see src/study/calibrate/targets.ts.\n${stringify(file, { lineWidth: 120 })}`;
}
