/** From the loads of single vCPUs to every measure of every vCPU, node and the VM (P-21, P-23). */
import { unreachable } from "../../core/unreachable.ts";
import { type Aggregation, LEVELS, MEASURES, type Measure } from "./measure.ts";
import { absent, atLeast, known, type Reading, type VcpuLoad } from "./vcpu_load.ts";

/** In the order of MEASURES, then by subject. */
export function measureAll(
  vcpus: readonly VcpuLoad[],
  measures: readonly Measure[] = MEASURES,
): readonly Measured[] {
  const subjects = new Map(LEVELS.map((level) => [level, subjectsOf(level, vcpus)]));
  return measures.flatMap((measure) => subjects.get(measure.level)!.map((subject) => one(measure, subject)));
}

export interface Measured {
  readonly measure: MeasureHead;
  /** The number of the vCPU or node; `null` is the VM. */
  readonly subject: number | null;
  readonly reading: Reading;
}

/** What a combination has in common with the measures it is made of. */
export type MeasureHead = Pick<Measure, "id" | "requirement" | "level" | "unit" | "what"> & {
  readonly aggregation: Measure["aggregation"] | "combination";
};

/** The vCPUs that make up each subject of a level: ordered by number; vCPUs without a node make up none. */
export function subjectsOf(level: Measure["level"], vcpus: readonly VcpuLoad[]): readonly Subject[] {
  switch (level) {
    case "vcpu":
      return vcpus.map((vcpu) => ({ subject: vcpu.vcpu, vcpus: [vcpu] }));
    case "node": {
      const nodes = [...new Set(vcpus.map(({ node }) => node))].filter((node) => 0 <= node);
      return nodes
        .sort((a, b) => a - b)
        .map((node) => ({ subject: node, vcpus: vcpus.filter((vcpu) => vcpu.node === node) }));
    }
    case "vm":
      return [{ subject: null, vcpus }];
    default:
      return unreachable(level);
  }
}

export interface Subject {
  readonly subject: number | null;
  readonly vcpus: readonly VcpuLoad[];
}

function one(measure: Measure, { subject, vcpus }: Subject): Measured {
  return { measure, subject, reading: aggregate(measure, vcpus) };
}

/**
 * Absent as soon as one vCPU's is: the sum or average of the others would be about something else. It is then still
 * known what it is at least, since sums, averages and maxima grow with each of their parts.
 */
function aggregate({ quantity, aggregation }: Measure, vcpus: readonly VcpuLoad[]): Reading {
  const values: number[] = [];
  let source = "";
  let missing: string | null = null;
  for (const { vcpu, readings } of vcpus) {
    const reading = readings[quantity];
    if (reading.value === null) {
      if (aggregation === "none") return reading;
      missing ??= `vCPU ${vcpu}: ${reading.why}`;
    } else {
      source ||= reading.source;
    }
    values.push(atLeast(reading));
  }
  if (missing !== null) return absent(missing, combine(aggregation, values));
  return values.length === 0
    ? absent("No vCPU was online for the whole interval")
    : known(combine(aggregation, values), source);
}

function combine(aggregation: Aggregation, values: readonly number[]): number {
  switch (aggregation) {
    case "none":
      return values[0]!;
    case "sum":
      return values.reduce((sum, value) => sum + value, 0);
    case "average": {
      const average = values.reduce((sum, value) => sum + value, 0) / values.length;
      // Rounding must not carry an average of equal values past them.
      return Math.min(Math.max(...values), Math.max(Math.min(...values), average));
    }
    case "maximum":
      return Math.max(...values);
    default:
      return unreachable(aggregation);
  }
}
