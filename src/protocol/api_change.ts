/** What clients send to change a domain's policy: the fields of the config file, in its own words. */
import { z } from "zod";
import { WEIGHT_MAX } from "../core/policy.ts";
import { BACK_TO_CONFIG } from "./domain_change.ts";
import { VCPUS_MAX } from "./domain_fields.ts";

/** Longer names are no domain's. */
export const DOMAIN_NAME_LENGTH_MAX = 256;

export const domainNameSchema: z.ZodType<string> = z
  .string()
  .min(1)
  .max(DOMAIN_NAME_LENGTH_MAX)
  .meta({ description: "The domain's name", example: "web" });

const back = z.literal(BACK_TO_CONFIG);
const none = z.literal("none");
const pcpuTime = z.union([
  z.number().min(0).meta({ description: "pCPUs, as in 1.5" }),
  z
    .string()
    .regex(/^(\d{1,9}(\.\d{1,9})?|\d{1,9}m)$/)
    .meta({ description: "pCPUs as in 1.5, or thousandths as in 1500m" }),
]);
const vcpus = z.number().int().min(1).max(VCPUS_MAX);

/**
 * The fields whose form is worth checking early. Others pass here and are held against the config file's rules by the
 * daemon, which knows every field and what was probably meant.
 */
export const domainChangeSchema: z.ZodType<Readonly<Record<string, unknown>>> = z
  .looseObject({
    managed: z.union([z.boolean(), z.enum(["yes", "no", BACK_TO_CONFIG])]).optional(),
    weight: z.union([z.number().int().min(1).max(WEIGHT_MAX), back]).optional(),
    reservation: z.union([pcpuTime, back]).optional(),
    cap: z.union([pcpuTime, none, back]).optional(),
    vcpus: z
      .union([
        z.strictObject({
          min: z.union([vcpus, back]).optional(),
          max: z.union([vcpus, none, back]).optional(),
        }),
        back,
      ])
      .optional(),
    node: z.union([z.number().int().min(0), none, back]).optional(),
    placement: z.enum(["exclusive", "shared", BACK_TO_CONFIG]).optional(),
    mechanism: z.enum(["offline", "isolate", BACK_TO_CONFIG]).optional(),
  })
  .meta({
    id: "DomainChange",
    description: `Fields of the config file; "${BACK_TO_CONFIG}" gives a field back to it`,
    example: { weight: 512 },
  });

/** One line of a log has room for it. */
const AUTHOR_LENGTH_MAX = 80;

export const authorSchema: z.ZodType<string> = z
  .string()
  .max(AUTHOR_LENGTH_MAX)
  .regex(/^[^\p{C}]+$/u)
  .meta({ description: "Who changes it, as they say, for the account of changes", example: "alice" });

/** No virtual NUMA node of any guest has a higher number. */
const GUEST_NODE_MAX = 1_023;

export const vcpuRequestSchema: z.ZodType<{ readonly node?: number | null | undefined }> = z
  .strictObject({
    node: z
      .number()
      .int()
      .min(0)
      .max(GUEST_NODE_MAX)
      .nullable()
      .optional()
      .meta({ description: "The guest's virtual NUMA node where the vCPU should be; null for anywhere" }),
  })
  .meta({ id: "VcpuRequest", description: "One more vCPU, please", example: { node: 1 } });

export const pauseSchema: z.ZodType<{ paused: boolean }> = z
  .strictObject({ paused: z.boolean() })
  .meta({ id: "Pause", example: { paused: true } });

export const doneSchema: z.ZodType<Done> = z
  .strictObject({ message: z.string().meta({ description: "What was done, as a sentence" }) })
  .meta({ id: "Done" });

export interface Done {
  readonly message: string;
}
