/** The form of a plan (plan_view.ts) as the API checks and documents it. */
import { z } from "zod";

const count = z.number().int().min(0);
const pcpus = z.array(count);

/** A reason as data: its code, its sentence, and the fields of that code (core/reason.ts). */
const reason = z.looseObject({ code: z.string(), text: z.string() }).meta({
  id: "Reason",
  description: "Why it is so: the code's own fields, and the sentence that they make",
});

const planDomain = z
  .object({
    name: z.string(),
    weight: count,
    entitlementMilliPcpu: count,
    target: count,
    onlineNow: count.nullable(),
    vcpus: z.array(z.object({ index: count, online: z.boolean(), pcpus })),
    shared: z.boolean(),
    sharesWith: z.array(z.string()),
    reasons: z.array(reason),
  })
  .meta({ id: "PlanDomain" });

const move = z
  .object({ domain: z.string(), vcpu: count, from: pcpus.nullable(), to: pcpus, why: reason })
  .meta({ id: "Move" });

export const planViewSchema: z.ZodType<unknown> = z
  .object({
    domains: z.array(planDomain),
    moves: z.array(move),
    idlePcpus: pcpus,
    notes: z.array(reason),
    host: z.object({
      pcpus: z.array(
        z.object({
          id: count,
          core: z.number().int(),
          llc: z.number().int(),
          node: z.number().int(),
          online: z.boolean(),
        }),
      ),
    }),
  })
  .meta({ id: "PlanView" });
