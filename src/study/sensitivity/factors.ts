/**
 * What sensitivity is asked of: constants of the machine that are chosen or come from other machines, and parameters of
 * the programs. Each lies between half and twice its value, on a log scale: as wrong as a guess may well be.
 */
import { type Costs, DEFAULT_COSTS } from "../../sim/machine/constants.ts";
import { LIBRARY } from "../../sim/workload/library/library.ts";
import type { Calibration } from "../calibrate/calibration.ts";
import { type Cell, cell } from "../reproduce/cell.ts";
import { background, MACHINE, PCPUS, UNTIL_MAX } from "../reproduce/platforms.ts";
import type { Point } from "./morris.ts";

export interface Factor {
  readonly name: string;
  readonly where: "cost" | "slice" | "workload";
  /** Of a workload's parameter. */
  readonly program?: string;
  readonly key: string;
}

const cost = (key: keyof Costs): Factor => ({ name: key, where: "cost", key });
const parameter = (program: string, key: string): Factor => ({
  name: `${program} ${key}`,
  where: "workload",
  program,
  key,
});

export const FACTORS: readonly Factor[] = [
  { name: "host slice", where: "slice", key: "slice" },
  cost("vcpuSwitch"),
  cost("taskSwitch"),
  cost("ipiSend"),
  cost("ipiReceive"),
  cost("futexWait"),
  cost("futexWake"),
  cost("lockHandoff"),
  cost("shootdown"),
  cost("cacheRefillSameLlc"),
  cost("cacheRefillOtherLlc"),
  cost("pauseLoopWindow"),
  cost("pauseLoopWindowMax"),
  cost("pauseLoopExit"),
  parameter("swaptions", "shootdowns"),
  parameter("streamcluster", "spin"),
  parameter("streamcluster", "shortWork"),
  parameter("streamcluster", "boundWork"),
  parameter("histogram", "contention"),
  parameter("histogram", "coherence"),
];

/** Xen's default (sim/host_scheduler/credit.ts). */
const CREDIT_SLICE = 30_000_000;

/** One program for each mechanism: shootdowns, barriers, a memory lock. On Xen, where the slice is a parameter. */
export const RESPONSES = ["swaptions", "streamcluster", "histogram"] as const;

export function responseId(tag: string, program: string, policy: "plain" | "vcpu-bal"): string {
  return `sensitivity/${tag}/${program}/${policy}`;
}

/** The cells behind the responses at a point where factor i is 2^(2 x - 1) times its value. */
export function responseCells(tag: string, point: Point, calibration: Calibration): Cell[] {
  const scaleOf = new Map(FACTORS.map((factor, i) => [factor, 2 ** (2 * point[i]! - 1)]));
  const costs: Record<string, string> = {};
  let slice = CREDIT_SLICE;
  const sets: Record<string, Record<string, number>> = {};
  for (const [{ where, program = "", key }, scale] of scaleOf) {
    if (where === "slice") slice = Math.round(CREDIT_SLICE * scale);
    else if (where === "cost") costs[key] = `${Math.round(DEFAULT_COSTS[key as keyof Costs] * scale)}ns`;
    else {
      sets[program] = { ...sets[program], [key]: scaled({ program, key }, scale, calibration) };
    }
  }
  return RESPONSES.flatMap((program) =>
    (["plain", "vcpu-bal"] as const).map((policy) => {
      const vcpus = policy === "plain" ? PCPUS : PCPUS / 2;
      const vm = (first: number) => ({
        vcpus,
        ...(policy === "plain" ? {} : { pins: Array.from({ length: vcpus }, (_, v) => [first + v]) }),
        workload: { name: program, set: { ...calibration.set[program], ...sets[program] } },
      });
      return cell(responseId(tag, program, policy), {
        machine: { ...MACHINE, costs },
        host: { scheduler: { kind: "credit", slice: `${slice}ns` }, pauseLoopExits: true },
        until: { at: UNTIL_MAX, finished: ["vm1"] },
        domains: [{ name: "vm1", ...vm(0) }, { name: "vm2", ...vm(vcpus), restart: true }, background(PCPUS)],
      });
    }),
  );
}

/** Times stay whole nanoseconds: the simulator knows no others. */
function scaled(
  { program, key }: { readonly program: string; readonly key: string },
  scale: number,
  calibration: Calibration,
): number {
  const { value, unit } = LIBRARY.find(({ name }) => name === program)!.parameters[key]!;
  const own = (calibration.set[program]?.[key] ?? value) * scale;
  return unit === "ns" ? Math.round(own) : own;
}
