/** How a scenario file names the host's scheduler: `credit`, or `{ kind: credit, slice: 10ms }`. */
import { z } from "zod";
import { word, yesNo } from "../../protocol/fields.ts";
import type { SchedulerConfig } from "../host_scheduler/policies.ts";
import { byWord, choice } from "./choice.ts";
import { span, time } from "./quantities.ts";

type Kind = SchedulerConfig["kind"];

const slice = span().exactOptional();

/** The parameters of every policy; their meaning and defaults are in host_scheduler/. */
const SCHEDULERS: { readonly [K in Kind]?: z.ZodType<Extract<SchedulerConfig, { readonly kind: K }>> } = {
  "round-robin": z.strictObject({ kind: z.literal("round-robin"), slice }),
  cfs: z.strictObject({
    kind: z.literal("cfs"),
    groups: yesNo().exactOptional(),
    balance: word(["off", "siblings-apart", "load-conscious"]).exactOptional(),
    tick: span().exactOptional(),
    latency: span().exactOptional(),
    minGranularity: span().exactOptional(),
    wakeupGranularity: time().exactOptional(),
  }),
  credit: z.strictObject({
    kind: z.literal("credit"),
    slice,
    weightPer: word(["vcpu", "domain"]).exactOptional(),
    boost: yesNo().exactOptional(),
  }),
  "strict-co": z.strictObject({ kind: z.literal("strict-co"), slice, skewMax: span().exactOptional() }),
};

export const SCHEDULER_NAMES: readonly string[] = Object.keys(SCHEDULERS);

const byKind = byWord<SchedulerConfig>("kind", "scheduler", SCHEDULERS);
/** Any of the policies with nothing but defaults. */
const byName = z.unknown().transform((name) => ({ kind: name }) as SchedulerConfig);

export const SCHEDULER: z.ZodType<SchedulerConfig> = choice<SchedulerConfig>((value) => {
  if (typeof value !== "string") return byKind(value);
  return SCHEDULER_NAMES.includes(value)
    ? byName
    : {
        rule: "The name of a host scheduler must stand here",
        fix: `Write one of: ${SCHEDULER_NAMES.join(", ")}`,
      };
});
