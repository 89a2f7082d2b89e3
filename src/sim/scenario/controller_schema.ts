/** How a scenario file names its controllers: `vcpu-bal`, `{ kind: vscale, period: 20ms }`, or a list of both. */
import { z } from "zod";
import { field, NAME, PCPU_LIST, word } from "../../protocol/fields.ts";
import type { ControllerConfig } from "../controller/controllers.ts";
import { byWord, choice } from "./choice.ts";
import { VCPUS_MAX } from "./limits.ts";
import { count, fraction, span, time } from "./quantities.ts";

type Kind = ControllerConfig["kind"];

const interval = span().exactOptional();
const domains = z.array(field(NAME)).exactOptional();
const steal = count("A part of the interval", { min: 0, max: 1000 }).exactOptional();

/** The parameters of every controller; their meaning and defaults are in controller/. */
const CONTROLLERS: { readonly [K in Kind]: z.ZodType<Extract<ControllerConfig, { readonly kind: K }>> } = {
  "vcpu-bal": z.strictObject({
    kind: z.literal("vcpu-bal"),
    interval,
    hotplug: word(["light", "stock"]).exactOptional(),
    rounding: word(["floor", "ceil", "largest-remainder"]).exactOptional(),
    monitor: z.boolean().exactOptional(),
  }),
  affinity: z.strictObject({ kind: z.literal("affinity") }),
  vscale: z.strictObject({ kind: z.literal("vscale"), period: interval }),
  "preferred-vcpus": z.strictObject({
    kind: z.literal("preferred-vcpus"),
    interval,
    lowSteal: steal,
    highSteal: steal,
    domains,
  }),
  "dynamic-allocation": z.strictObject({
    kind: z.literal("dynamic-allocation"),
    epoch: interval,
    growAfter: interval,
    synchronises: fraction("A rate of signals", { min: 0, max: 1e9 }).exactOptional(),
  }),
  "time-balloon": z.strictObject({ kind: z.literal("time-balloon"), interval, domains }),
  script: z.strictObject({
    kind: z.literal("script"),
    changes: z.array(
      z.strictObject({
        at: time(),
        domain: field(NAME),
        online: count("The number of vCPUs in use", { min: 1, max: VCPUS_MAX }).exactOptional(),
        mechanism: word(["offline", "stock-hotplug", "isolate"]).exactOptional(),
        pins: z.array(field(PCPU_LIST)).exactOptional(),
      }),
    ),
  }),
};

export const CONTROLLER_NAMES: readonly string[] = Object.keys(CONTROLLERS);

/** A script says nothing by its name alone. */
const BY_NAME = CONTROLLER_NAMES.filter((name) => name !== "script");

const byKind = byWord<ControllerConfig>("kind", "controller", CONTROLLERS);
const byName = z.unknown().transform((name) => ({ kind: name }) as ControllerConfig);

const ONE = choice<ControllerConfig>((value) => {
  if (typeof value !== "string") return byKind(value);
  return BY_NAME.includes(value)
    ? byName
    : {
        rule: "The name of a controller must stand here",
        fix: `Write one of: ${BY_NAME.join(", ")}; or none`,
      };
});

export const CONTROLLER: z.ZodType<readonly ControllerConfig[]> = choice<readonly ControllerConfig[]>(
  (value) => {
    if (value === "none" || value === null) return z.unknown().transform(() => []);
    return Array.isArray(value) ? z.array(ONE) : ONE.transform((one) => [one]);
  },
);
