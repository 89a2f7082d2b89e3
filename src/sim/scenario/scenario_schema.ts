/** The form of a scenario file, as a schema: every field that there is, and none besides. */
import { z } from "zod";
import {
  field,
  NAME,
  orNone,
  PCPU_ID_MAX,
  PCPU_LIST,
  readMilliPcpu,
  readPcpuList,
  word,
  yesNo,
} from "../../protocol/fields.ts";
import type { HostConfig, Until } from "../config.ts";
import type { ControllerConfig } from "../controller/controllers.ts";
import { type Costs, DEFAULT_COSTS, RATES } from "../machine/constants.ts";
import type { Workload } from "../workload/program.ts";
import { choice, isMap } from "./choice.ts";
import { CONTROLLER } from "./controller_schema.ts";
import { TASKS_MAX, TICKS_MAX, VCPUS_MAX } from "./limits.ts";
import { count, fraction, label, rate, span, time } from "./quantities.ts";
import { SCHEDULER } from "./scheduler_schema.ts";
import { WORKLOAD } from "./workload_schema.ts";

export interface WrittenScenario {
  readonly why: string;
  readonly seed?: number;
  readonly replications?: number;
  readonly tieSalt?: number;
  readonly checks?: boolean;
  readonly until: number | Until;
  readonly machine: WrittenMachine;
  readonly host: HostConfig;
  readonly controller?: readonly ControllerConfig[];
  readonly domains: readonly WrittenDomain[];
}

export interface WrittenMachine {
  readonly pcpus?: number;
  readonly nodes?: number;
  readonly llcsPerNode?: number;
  readonly threadsPerCore?: number;
  readonly places?: readonly { readonly core: number; readonly llc?: number; readonly node?: number }[];
  readonly costs?: "none" | Partial<Costs>;
}

export interface WrittenDomain {
  readonly name: string;
  readonly vcpus: number;
  readonly weight?: number;
  /** Thousandths of a pCPU. */
  readonly cap?: number | null;
  readonly pins?: WrittenPins | null;
  readonly startAt?: number;
  readonly restart?: boolean;
  readonly stealAware?: boolean;
  readonly timerTicks?: number;
  readonly workload: WrittenWorkload;
}

export type WrittenPins =
  | { readonly all: readonly number[] }
  | { readonly each: readonly (readonly number[])[] };

export type WrittenWorkload =
  | {
      readonly library: string;
      readonly threads?: number;
      readonly scale?: number;
      readonly set?: Readonly<Record<string, number>>;
    }
  | { readonly rtApp: string }
  | { readonly inline: Workload };

/** A sentence that fits a line of `vbal sim list`. */
const WHY_CHARACTERS_MAX = 200;
const REPLICATIONS_MAX = 100_000;
const UINT32_MAX = 0xffff_ffff;

const PIN_LISTS = z.array(field(PCPU_LIST)).transform((each) => ({ each }));
const PIN_RANGE = field({
  ...PCPU_LIST,
  fix: 'Write one range for all vCPUs as in "0-5", or one list for each as in [[0], [1], "2-5"]',
  read: (value) => {
    const all = typeof value === "string" ? readPcpuList(value) : undefined;
    return all === undefined ? undefined : { all };
  },
});
const PINS = choice<WrittenPins>((value) => (Array.isArray(value) ? PIN_LISTS : PIN_RANGE));

const COST_SHAPE = Object.fromEntries(
  Object.keys(DEFAULT_COSTS).map((cost) => [cost, (RATES.has(cost) ? rate() : time()).exactOptional()]),
) as unknown as { readonly [K in keyof Costs]: z.ZodExactOptional<z.ZodType<number>> };
const COSTS = choice<"none" | Partial<Costs>>((value) =>
  isMap(value)
    ? z.strictObject(COST_SHAPE)
    : word(["none", "default"]).transform((it) => (it === "none" ? it : {})),
);

const id = count("A core, cache or node", { min: 0, max: PCPU_ID_MAX });
const MACHINE = z.strictObject({
  pcpus: count("The number of pCPUs", { min: 1, max: PCPU_ID_MAX + 1 }).exactOptional(),
  nodes: count("The number of nodes", { min: 1, max: 64 }).exactOptional(),
  llcsPerNode: count("The number of last-level caches per node", { min: 1, max: 64 }).exactOptional(),
  threadsPerCore: count("The number of SMT siblings per core", { min: 1, max: 8 }).exactOptional(),
  places: z
    .array(z.strictObject({ core: id, llc: id.exactOptional(), node: id.exactOptional() }))
    .exactOptional(),
  costs: COSTS.exactOptional(),
});

const HOST = z.strictObject({
  scheduler: SCHEDULER,
  pauseLoopExits: yesNo().exactOptional(),
  lockHolderAvoidance: word(["none", "hinted", "observed"]).exactOptional(),
});

const LIBRARY_CALL = z
  .strictObject({
    name: label(),
    threads: count("The number of threads", { min: 1, max: TASKS_MAX }).exactOptional(),
    scale: fraction("The amount of work", { min: 0.0001, max: 10_000 }).exactOptional(),
    set: z.record(z.string(), parameter()).exactOptional(),
  })
  .transform(({ name, ...rest }): WrittenWorkload => ({ library: name, ...rest }));

/** A parameter of a library workload: a number, or a time with its unit. */
function parameter(): z.ZodType<number> {
  const timeSchema = time();
  const numberSchema = fraction("A parameter", { min: 0, max: 1e15 });
  return choice((value) => (typeof value === "string" ? timeSchema : numberSchema));
}

const WRITTEN_WORKLOAD = choice<WrittenWorkload>((value) => {
  if (typeof value === "string") return label().transform((library) => ({ library }));
  if (isMap(value) && "name" in value) return LIBRARY_CALL;
  if (isMap(value) && "rtApp" in value) return z.strictObject({ rtApp: label() });
  if (isMap(value)) return WORKLOAD.transform((inline) => ({ inline }));
  return {
    rule: "A workload must stand here",
    fix: "Write the name of one (vbal sim list shows them), { name, threads, scale }, { rtApp: file }, or tasks",
  };
});

const UNTIL = choice<number | Until>((value) =>
  isMap(value) ? z.strictObject({ at: span(), finished: z.array(field(NAME)).exactOptional() }) : span(),
);

const DOMAIN: z.ZodType<WrittenDomain> = z.strictObject({
  name: field(NAME),
  vcpus: count("The number of vCPUs", { min: 1, max: VCPUS_MAX }),
  weight: count("A weight", { min: 1, max: 65_535 }).exactOptional(),
  cap: orNone({
    rule: "A cap is a number of pCPUs above zero, with a fraction of thousandths at most",
    fix: 'Write it as in 1.5 or "1500m"',
    read: (value) => {
      const cap = readMilliPcpu(value);
      return cap === 0 ? undefined : cap;
    },
  }).exactOptional(),
  pins: choice<WrittenPins | null>((value) =>
    value === "none" || value === null ? z.unknown().transform(() => null) : PINS,
  ).exactOptional(),
  startAt: time().exactOptional(),
  restart: yesNo().exactOptional(),
  stealAware: yesNo().exactOptional(),
  timerTicks: count("The number of timer ticks per second", { min: 1, max: TICKS_MAX }).exactOptional(),
  workload: WRITTEN_WORKLOAD,
});

export const SCENARIO: z.ZodType<WrittenScenario> = z.strictObject({
  why: field({
    rule: `A scenario says in one sentence why it exists, in at most ${WHY_CHARACTERS_MAX} characters`,
    fix: "Write `why: ...` as the first line",
    read: (value) =>
      typeof value === "string" && value.trim() !== "" && value.length <= WHY_CHARACTERS_MAX
        ? value.trim()
        : undefined,
  }),
  seed: count("A seed", { min: 0, max: UINT32_MAX }).exactOptional(),
  replications: count("The number of replications", { min: 1, max: REPLICATIONS_MAX }).exactOptional(),
  tieSalt: count("A tie salt", { min: 0, max: UINT32_MAX }).exactOptional(),
  checks: yesNo().exactOptional(),
  until: UNTIL,
  machine: MACHINE,
  host: HOST,
  controller: CONTROLLER.exactOptional(),
  domains: z.array(DOMAIN),
});
