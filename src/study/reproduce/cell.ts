/**
 * One cell of an experiment: a scenario, in the form of a scenario file, so that anyone can run it alone. Cells of one
 * experiment that are compared have one seed and so draw the same numbers.
 */
import { renderFault } from "../../protocol/fault.ts";
import { parseScenario, type Scenario } from "../../sim/scenario/scenario.ts";

export interface Cell {
  /** Unique among all experiments: "streamcluster/kvm/vcpu-bal". */
  readonly id: string;
  readonly scenario: Scenario;
  /** What `scenario` was read from. */
  readonly written: WrittenWorld;
}

/** What a scenario file says, as a map; `why` is the cell's id. */
export type WrittenWorld = Readonly<Record<string, unknown>>;

/** Throws when the world is not a scenario: that is our own slip. */
export function cell(id: string, world: WrittenWorld): Cell {
  const text = JSON.stringify({ why: id, seed: SEED, ...world });
  const parsed = parseScenario({ file: id, text }, (path) => {
    throw new Error(`The cell ${id} names the file ${path}`);
  });
  if ("faults" in parsed) throw new Error(parsed.faults.map(renderFault).join("\n"));
  return { id, scenario: { ...parsed.value, name: id }, written: world };
}

/** The year of the paper; any number would do, and none was tried before it. */
const SEED = 2013;
