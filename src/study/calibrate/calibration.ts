/**
 * The result of calibration: for each program the values of the parameters that were fitted, which enter every
 * scenario as workload data (`set`). None depends on a policy or on a platform.
 */

import { parse } from "yaml";
import { z } from "zod";

export interface Calibration {
  readonly set: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export const UNCALIBRATED: Calibration = { set: {} };

const FILE = z.object({ set: z.record(z.string(), z.record(z.string(), z.number())) });

/** Throws for a file that no calibration wrote. */
export function parseCalibration(text: string): Calibration {
  return FILE.parse(parse(text));
}
