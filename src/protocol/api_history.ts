/** GET /v1/history: what was, in at most so many points, for a domain, a pCPU or the host as a whole. */
import { z } from "zod";
import { DOMAIN_NAME_LENGTH_MAX } from "./api_change.ts";

/** A screen shows no more. */
export const HISTORY_POINTS_MAX = 2_000;
const HISTORY_POINTS = 300;
/** Beyond the year 9999 a date has no usual form. */
const MS_MAX = 253_402_300_799_000;

/** What is kept of every domain, pCPU and the host; times of vCPUs are sums, in thousandths of a pCPU's time. */
export interface HistorySeries {
  readonly runMilliPcpu: Column;
  /** The most of any second within the point. */
  readonly runMaxMilliPcpu: Column;
  readonly waitMilliPcpu: Column;
  readonly stealMilliPcpu: Column;
  /** How often the host put one of the vCPUs on a pCPU, per second; not told of a pCPU. */
  readonly dispatchesPerSecond: Column;
  /** How often vCPUs interrupted a sibling, per second, by the guest's word; the same until it reports again. Not of a pCPU. */
  readonly interruptsPerSecond: Column;
  /** How often the vCPUs went from one thread to another, per second, by the guest's word, as above. Not of a pCPU. */
  readonly switchesPerSecond: Column;
  /** Of looks at vCPUs on a pCPU, the part that found one waiting in a loop of pauses, 0 to 1; told of a domain only. */
  readonly spinningPart: Column;
  /**
   * Of the time in which the vCPUs ran, by the guest's own account, the part in its kernel, 0 to 1: the same until it
   * reports again; told of a domain only.
   */
  readonly inKernelPart: Column;
  /** How far its vCPUs were kept from running together, 0 to 1 (core/stacking.ts); told of a domain only. */
  readonly stackingPart: Column;
  readonly online: Column;
  readonly target: Column;
  readonly entitlementMilliPcpu: Column;
  /** Requests for a vCPU, those of them that were denied, and changes of target or pins: how many within the point. */
  readonly requests: Column;
  readonly denials: Column;
  readonly changes: Column;
}

/** One value for each point; `null`: not known then. */
export type Column = readonly (number | null)[];

export interface HistoryView {
  /** Of whom it is. */
  readonly kind: "host" | "domain" | "pcpu";
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** How long a point is: means over so many seconds, but for the counts and the most. */
  readonly pointSeconds: number;
  /** When each point begins, ascending; where nothing was recorded, there is no point. */
  readonly atMs: readonly number[];
  readonly series: HistorySeries;
  /** Measures of the guest's load monitor that have a threshold. */
  readonly measures: readonly { readonly measure: string; readonly values: Column }[];
}

const ms = (what: string) =>
  z.coerce
    .number()
    .int()
    .min(0)
    .max(MS_MAX)
    .meta({ description: `${what}, in milliseconds since 1970` });

export const historyQuerySchema: z.ZodObject<{
  domain: z.ZodOptional<z.ZodString>;
  pcpu: z.ZodOptional<z.ZodCoercedNumber>;
  from: z.ZodOptional<z.ZodCoercedNumber>;
  to: z.ZodOptional<z.ZodCoercedNumber>;
  points: z.ZodDefault<z.ZodCoercedNumber>;
}> = z.object({
  domain: z
    .string()
    .min(1)
    .max(DOMAIN_NAME_LENGTH_MAX)
    .optional()
    .meta({ description: "Of this domain; without it, of the host" }),
  pcpu: z.coerce.number().int().min(0).max(8191).optional().meta({ description: "Of this pCPU" }),
  from: ms("From then on; by default the last hour").optional(),
  to: ms("Until then; by default now").optional(),
  points: z.coerce.number().int().min(2).max(HISTORY_POINTS_MAX).default(HISTORY_POINTS),
});

const column = z.array(z.number().nullable());

export const historyViewSchema: z.ZodType<HistoryView> = z
  .strictObject({
    kind: z.enum(["host", "domain", "pcpu"]),
    name: z.string(),
    fromMs: z.number(),
    toMs: z.number(),
    pointSeconds: z.number().int(),
    atMs: z.array(z.number().int()),
    series: z.strictObject({
      runMilliPcpu: column,
      runMaxMilliPcpu: column,
      waitMilliPcpu: column,
      stealMilliPcpu: column,
      dispatchesPerSecond: column,
      interruptsPerSecond: column,
      switchesPerSecond: column,
      spinningPart: column,
      inKernelPart: column,
      stackingPart: column,
      online: column,
      target: column,
      entitlementMilliPcpu: column,
      requests: column,
      denials: column,
      changes: column,
    }),
    measures: z.array(z.strictObject({ measure: z.string(), values: column })),
  })
  .meta({ id: "HistoryView" });
