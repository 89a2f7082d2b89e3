/** studies/sensitivity.yaml: what sensitivity found, for the report to draw. */
import { parse, stringify } from "yaml";
import { z } from "zod";
import type { Sensitivity } from "./sensitivity.ts";

const pair = z.tuple([z.number(), z.number()]);
const FILE: z.ZodType<Sensitivity> = z.object({
  gain: z.object({ mean: z.number(), programs: z.record(z.string(), z.number()) }),
  morris: z.array(z.object({ factor: z.string(), muStar: z.number(), sigma: z.number() })),
  sobol: z.array(
    z.object({
      factor: z.string(),
      first: z.number(),
      firstCi95: pair,
      total: z.number(),
      totalCi95: pair,
    }),
  ),
  tornado: z.array(z.object({ factor: z.string(), half: z.number(), twice: z.number() })),
});

export function parseSensitivity(text: string): Sensitivity {
  return FILE.parse(parse(text));
}

export function renderSensitivity(found: Sensitivity, version: string): string {
  const rounded: unknown = JSON.parse(
    JSON.stringify(found, (_, value: unknown) =>
      typeof value === "number" ? Number(value.toPrecision(4)) : value,
    ),
  );
  return `# Written by \`vbal sim sensitivity\` (vbal ${version}); do not edit.\n${stringify(rounded, { lineWidth: 120 })}`;
}
