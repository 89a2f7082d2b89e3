/** How a scenario file names the host's scheduler: `credit`, or `{ kind: credit, slice: 10ms }`. */
import { z } from "zod";
import { field, word, yesNo } from "../../protocol/fields.ts";
import type { SchedulerConfig } from "../host_scheduler/policies.ts";
import { byWord, choice } from "./choice.ts";
import { readTime, span, time } from "./quantities.ts";

type Kind = SchedulerConfig["kind"];

const slice = span().exactOptional();
const tick = span().exactOptional();
const groups = yesNo().exactOptional();
const balance = word(["off", "siblings-apart", "load-conscious"]).exactOptional();
const directedYield = word(["linux-3.0", "linux-6.12", "none"]).exactOptional();

/** A lead that stops nobody is `never`. */
function lead(): z.ZodType<number> {
  return field({
    rule: "A lead is a time with its unit, or never",
    fix: "Write it as in 3ms, or never",
    read: (value) => (value === "never" ? Number.POSITIVE_INFINITY : readTime(value)),
  });
}

/** The parameters of every policy; their meaning and defaults are in host_scheduler/. */
const SCHEDULERS: { readonly [K in Kind]: z.ZodType<Extract<SchedulerConfig, { readonly kind: K }>> } = {
  "round-robin": z.strictObject({ kind: z.literal("round-robin"), slice }),
  cfs: z.strictObject({
    kind: z.literal("cfs"),
    groups,
    balance,
    directedYield,
    tick,
    latency: span().exactOptional(),
    minGranularity: span().exactOptional(),
    wakeupGranularity: time().exactOptional(),
  }),
  eevdf: z.strictObject({
    kind: z.literal("eevdf"),
    slice,
    tick,
    groups,
    runToParity: yesNo().exactOptional(),
    delayDequeue: yesNo().exactOptional(),
    directedYield,
  }),
  credit: z.strictObject({
    kind: z.literal("credit"),
    slice,
    weightPer: word(["vcpu", "domain"]).exactOptional(),
    boost: yesNo().exactOptional(),
  }),
  credit2: z.strictObject({
    kind: z.literal("credit2"),
    queuePer: word(["node", "llc", "host"]).exactOptional(),
    rateLimit: time().exactOptional(),
    migrateResistance: time().exactOptional(),
  }),
  "strict-co": z.strictObject({ kind: z.literal("strict-co"), slice, skewMax: span().exactOptional() }),
  "relaxed-co": z.strictObject({
    kind: z.literal("relaxed-co"),
    generation: field({
      rule: "ESX has the rules of generation 3 or 4",
      fix: "Write 3 or 4",
      read: (value) => (value === 3 || value === 4 ? value : undefined),
    }).exactOptional(),
    slice,
    stopLead: lead().exactOptional(),
    startLead: lead().exactOptional(),
    together: yesNo().exactOptional(),
  }),
  "demand-based": z.strictObject({
    kind: z.literal("demand-based"),
    tick,
    ipiDriven: yesNo().exactOptional(),
    urgentLead: time().exactOptional(),
    preemptionDelay: time().exactOptional(),
    balance,
    directedYield,
  }),
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
