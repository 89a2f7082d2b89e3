/** The claims and their acceptance bands (studies/bands.yaml): what the model must show, and how near. */

import { parse } from "yaml";
import { z } from "zod";

export interface Band {
  readonly id: string;
  /** "6" is Figure 6; else the name of an experiment. */
  readonly figure: string;
  readonly role: "prediction" | "calibrated" | "input";
  readonly what: string;
  readonly unit: string;
  /** A number, or what the source says in words. */
  readonly published: number | string;
  readonly rule: string;
  /** The whole 95 % interval must lie in it; null is an open end. */
  readonly band: readonly [number | null, number | null];
}

/** A published number that the model does not speak of, and why. */
export interface Unmodelled {
  readonly id: string;
  readonly what: string;
  readonly published: string;
  readonly why: string;
}

export interface BandFile {
  readonly rules: Readonly<Record<string, string>>;
  readonly claims: readonly Band[];
  readonly unmodelled: readonly Unmodelled[];
}

const FILE: z.ZodType<BandFile> = z.strictObject({
  rules: z.record(z.string(), z.string()),
  claims: z.array(
    z.strictObject({
      id: z.string(),
      figure: z.string(),
      role: z.enum(["prediction", "calibrated", "input"]),
      what: z.string(),
      unit: z.string(),
      published: z.union([z.number(), z.string()]),
      rule: z.string(),
      band: z.tuple([z.number().nullable(), z.number().nullable()]),
    }),
  ),
  unmodelled: z.array(
    z.strictObject({ id: z.string(), what: z.string(), published: z.string(), why: z.string() }),
  ),
});

export function parseBands(text: string): BandFile {
  return FILE.parse(parse(text));
}

const EXPLANATIONS: z.ZodType<Readonly<Record<string, string>>> = z.record(z.string(), z.string());

/** studies/explanations.yaml: the likely missing mechanism of what is out of its band, by the claim's id. */
export function parseExplanations(text: string): Readonly<Record<string, string>> {
  return EXPLANATIONS.parse(parse(text));
}
