/**
 * A scenario file: YAML or JSON, text in, a simulation and how often to run it out, or all faults. Pure but for `read`,
 * which fetches the files that a scenario names. docs/simulator.md shows the form.
 */

import { type Checked, checkShape, inOrder } from "../../protocol/check_shape.ts";
import { digestOf } from "../../protocol/digest.ts";
import { parseLocatedYaml } from "../../protocol/located_yaml.ts";
import type { DomainConfig, SimulationConfig } from "../config.ts";
import type { ControllerConfig } from "../controller/controllers.ts";
import { DEFAULT_COSTS, RATES } from "../machine/constants.ts";
import type { TopologyConfig } from "../machine/topology.ts";
import { isMap, knownKeysOf } from "./choice.ts";
import { complaintsAt } from "./complain.ts";
import { type ReadNeighbour, resolveWorkload } from "./resolve_workload.ts";
import { scenarioFaults } from "./scenario_faults.ts";
import {
  SCENARIO,
  type WrittenDomain,
  type WrittenMachine,
  type WrittenScenario,
} from "./scenario_schema.ts";

export interface Scenario {
  /** The file's name without folder and ending. */
  readonly name: string;
  /** What it is for, in one sentence. */
  readonly why: string;
  /** Everything but the replication's number. */
  readonly config: Omit<SimulationConfig, "replication">;
  readonly controllers: readonly ControllerConfig[];
  readonly replications: number;
  /** By domain: the name of its workload. */
  readonly workloads: Readonly<Record<string, string>>;
  /** Names what is simulated, whatever the seed and the number of replications. */
  readonly configHash: string;
}

export function parseScenario(
  source: { readonly file: string; readonly text: string },
  read: ReadNeighbour,
): Checked<Scenario> {
  const located = parseLocatedYaml(source);
  if (Array.isArray(located)) return { faults: located };
  const checked = checkShape(located, SCENARIO, (path) => knownKeysOf(SCENARIO, located.value, path));
  if ("faults" in checked) return checked;
  const written = checked.value;
  const { complain, faults } = complaintsAt(located);
  const topology = topologyOf(written.machine);
  const domains = written.domains.map((domain, index): DomainConfig => {
    const workload = resolveWorkload(domain, ["domains", index, "workload"], {
      file: source.file,
      read,
      complain,
    });
    return { ...domainOf(domain), workload };
  });
  const isControllerList = isMap(located.value) && Array.isArray(located.value["controller"]);
  scenarioFaults({ written, domains, topology, isControllerList, complain });
  if (faults.length > 0) return { faults: inOrder(faults) };
  return { value: scenarioOf(source.file, written, domains, topology!) };
}

function scenarioOf(
  file: string,
  written: WrittenScenario,
  domains: readonly DomainConfig[],
  topology: TopologyConfig,
): Scenario {
  const { machine, host, until, controller: controllers = [] } = written;
  const world = {
    until: typeof until === "number" ? { at: until } : until,
    machine: { topology, ...(machine.costs === undefined ? {} : { costs: costsOf(machine.costs) }) },
    host,
    domains,
  };
  return {
    name: nameOf(file),
    why: written.why,
    config: {
      seed: written.seed ?? 1,
      ...(written.tieSalt === undefined ? {} : { tieSalt: written.tieSalt }),
      ...(written.checks === undefined ? {} : { checks: written.checks }),
      ...world,
    },
    controllers,
    replications: written.replications ?? 1,
    workloads: Object.fromEntries(written.domains.map((domain) => [domain.name, workloadName(domain)])),
    configHash: digestOf({ ...world, controllers }),
  };
}

/** "scenarios/two-guests.yaml" is "two-guests". */
function nameOf(file: string): string {
  return file.replace(/^.*\//, "").replace(/\.(ya?ml|json)$/, "");
}

function workloadName({ workload }: WrittenDomain): string {
  if ("library" in workload) return workload.library;
  return "rtApp" in workload ? nameOf(workload.rtApp) : "inline";
}

function topologyOf({
  pcpus,
  places,
  nodes,
  llcsPerNode,
  threadsPerCore,
}: WrittenMachine): TopologyConfig | null {
  if (places !== undefined) {
    return {
      places: places.map(({ core, llc, node }) => ({ core, llc: llc ?? node ?? 0, node: node ?? 0 })),
    };
  }
  if (pcpus === undefined) return null;
  return {
    pcpus,
    ...(nodes === undefined ? {} : { nodes }),
    ...(llcsPerNode === undefined ? {} : { llcsPerNode }),
    ...(threadsPerCore === undefined ? {} : { threadsPerCore }),
  };
}

/** How long somebody is patient is no cost: without costs, it stays as it is. */
const PATIENCE: ReadonlySet<string> = new Set([
  "pauseLoopWindow",
  "pauseLoopWindowMax",
  "paravirtualSpin",
  "preemptionDelayMax",
]);

function costsOf(
  costs: NonNullable<WrittenMachine["costs"]>,
): NonNullable<SimulationConfig["machine"]["costs"]> {
  if (costs !== "none") return costs;
  return Object.fromEntries(
    Object.keys(DEFAULT_COSTS)
      .filter((cost) => !PATIENCE.has(cost))
      .map((cost) => [cost, RATES.has(cost) ? 1 : 0]),
  );
}

/** The domain without its workload. */
function domainOf(written: WrittenDomain): Omit<DomainConfig, "workload"> {
  const { workload: _, pins, cap, ...rest } = written;
  return {
    ...rest,
    ...(cap === undefined || cap === null ? {} : { cap }),
    ...(pins === undefined || pins === null ? {} : { pins: everyVcpu(pins, written.vcpus) }),
  };
}

/** One list for all vCPUs becomes one list each. */
function everyVcpu(pins: NonNullable<WrittenDomain["pins"]>, vcpus: number): readonly (readonly number[])[] {
  return "all" in pins ? Array.from({ length: vcpus }, () => pins.all) : pins.each;
}
