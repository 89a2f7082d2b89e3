/** POST /v1/preview: what a change would do, without doing it. */
import { z } from "zod";
import { domainChangeSchema, domainNameSchema } from "./api_change.ts";
import { planViewSchema } from "./api_plan.ts";
import type { PlanView } from "./plan_view.ts";

/** A person changes a few domains at a time. */
const DOMAINS_MAX = 64;

export interface Preview {
  /** The plan in force, and the one that the controller would make after the change. */
  readonly before: PlanView;
  readonly after: PlanView;
  /** What differs between them, by domain; domains that do not change are absent. */
  readonly domains: readonly PreviewedDomain[];
  /** Thresholds that would change, with the present value of their measure. */
  readonly thresholds: readonly PreviewedThreshold[];
  /** What the controller would say to it, as sentences. */
  readonly notes: readonly string[];
}

export interface PreviewedDomain {
  readonly name: string;
  readonly entitlementMilliPcpu: Change<number>;
  readonly target: Change<number>;
  /** vCPUs whose pCPUs change. */
  readonly moves: number;
}

/** `null`: not planned. */
export interface Change<T> {
  readonly from: T | null;
  readonly to: T | null;
}

export interface PreviewedThreshold {
  readonly domain: string;
  readonly measure: string;
  readonly threshold: Change<number>;
  /** The highest of its vCPUs or nodes now; null: not known. */
  readonly value: number | null;
  readonly exceeded: { readonly from: boolean; readonly to: boolean };
}

export const previewRequestSchema: z.ZodType<{ domains: Record<string, Readonly<Record<string, unknown>>> }> =
  z
    .strictObject({
      domains: z
        .record(domainNameSchema as z.ZodString, domainChangeSchema)
        .refine((domains) => Object.keys(domains).length <= DOMAINS_MAX, {
          message: `At most ${DOMAINS_MAX} domains at a time`,
        }),
    })
    .meta({
      id: "PreviewRequest",
      description: "The fields that would be set, by domain, as POST /v1/domains/{name} takes them",
      example: { domains: { web: { weight: 512 } } },
    });

const change = z.strictObject({ from: z.number().nullable(), to: z.number().nullable() });

export const previewSchema: z.ZodType<unknown> = z
  .strictObject({
    before: planViewSchema,
    after: planViewSchema,
    domains: z.array(
      z.strictObject({
        name: z.string(),
        entitlementMilliPcpu: change,
        target: change,
        moves: z.number().int().min(0),
      }),
    ),
    thresholds: z.array(
      z.strictObject({
        domain: z.string(),
        measure: z.string(),
        threshold: change,
        value: z.number().nullable(),
        exceeded: z.strictObject({ from: z.boolean(), to: z.boolean() }),
      }),
    ),
    notes: z.array(z.string()),
  })
  .meta({ id: "Preview" });
