/** The form of a study file: every field that there is, and none besides. */
import { z } from "zod";
import { field } from "../../protocol/fields.ts";
import { choice, isMap } from "../../sim/scenario/choice.ts";
import { count, fraction, label, readTime, time } from "../../sim/scenario/quantities.ts";

export interface WrittenStudy {
  readonly why: string;
  /** A scenario file, relative to the study's folder. */
  readonly scenario: string;
  /** In place of the scenario's own. */
  readonly seed?: number;
  readonly replications?: number;
  /** Every domain starts up to this much later, drawn anew for each replication. */
  readonly phase?: number;
  /** Every combination of one choice from each axis is a case. */
  readonly vary: readonly Axis[];
}

/** Fields of the scenario that change together: their lists are equally long. */
export type Axis = Readonly<Record<string, readonly unknown[]>>;

const REPLICATIONS_MAX = 100_000;
const UINT32_MAX = 0xffff_ffff;
const STEPS_MAX = 10_000;

const NUMBER = fraction("An end of a range", { min: -1e15, max: 1e15 });
const END = choice<number | string>((value) =>
  typeof value === "string" ? time().transform((ns) => `${ns}ns`) : NUMBER,
);

const RANGE = z
  .strictObject({
    from: END,
    to: END,
    steps: count("The number of steps", { min: 2, max: STEPS_MAX }),
    log: z.boolean().exactOptional(),
  })
  .transform(({ from, to, steps, log = false }) => valuesBetween(from, to, { steps, isLog: log }));

const VALUES = choice<readonly unknown[]>((value) => {
  if (Array.isArray(value)) return z.array(z.unknown());
  if (isMap(value)) return RANGE;
  return {
    rule: "A field varies over a list of values, or a range",
    fix: "Write [a, b, c], or { from: 1us, to: 100us, steps: 5, log: true }",
  };
});

const WHY = field({
  rule: "A study says in one sentence why it exists",
  fix: "Write `why: ...` as the first line",
  read: (value) => (typeof value === "string" && value.trim() !== "" ? value.trim() : undefined),
});

export const STUDY: z.ZodType<WrittenStudy> = z.strictObject({
  why: WHY,
  scenario: label(),
  seed: count("A seed", { min: 0, max: UINT32_MAX }).exactOptional(),
  replications: count("The number of replications", { min: 1, max: REPLICATIONS_MAX }).exactOptional(),
  phase: time().exactOptional(),
  vary: z.array(z.record(z.string(), VALUES)),
});

/** Numbers stay numbers; times become whole nanoseconds with their unit. */
function valuesBetween(
  from: number | string,
  to: number | string,
  { steps, isLog }: { readonly steps: number; readonly isLog: boolean },
): readonly unknown[] {
  const isTime = typeof from === "string";
  const [low, high] = [from, to].map((end) =>
    typeof end === "string" ? (readTime(end) ?? Number.NaN) : end,
  ) as [number, number];
  return Array.from({ length: steps }, (_, i) => {
    const part = i / (steps - 1);
    const value = isLog ? low * (high / low) ** part : low + (high - low) * part;
    return isTime ? `${Math.round(value)}ns` : Number(value.toPrecision(9));
  });
}
