/** What a scenario of the right shape may still get wrong: names that nobody has, pCPUs that are not there. */
import { closest } from "../../protocol/closest.ts";
import type { FieldPath } from "../../protocol/fault.ts";
import type { DomainConfig } from "../config.ts";
import type { ScriptConfig } from "../controller/script.ts";
import { ENTITIES_MAX } from "../engine/tie_rank.ts";
import { placesOf, type TopologyConfig } from "../machine/topology.ts";
import type { Complain } from "./complain.ts";
import { programFaults } from "./program_faults.ts";
import type { WrittenScenario } from "./scenario_schema.ts";

export interface ScenarioToCheck {
  readonly written: WrittenScenario;
  readonly domains: readonly DomainConfig[];
  /** Null when the file does not say how many pCPUs there are. */
  readonly topology: TopologyConfig | null;
  /** A single controller may stand there without a list around it. */
  readonly isControllerList: boolean;
  readonly complain: Complain;
}

export function scenarioFaults({
  written,
  domains,
  topology,
  isControllerList,
  complain,
}: ScenarioToCheck): void {
  const { machine } = written;
  if ((machine.pcpus === undefined) === (machine.places === undefined)) {
    complain(
      ["machine"],
      "A machine has either `pcpus` or `places`",
      "Write `pcpus: 12`, or list each pCPU's core, llc and node",
    );
  }
  if (topology === null) return;
  const pcpus = placesOf(topology).length;
  if (pcpus === 0) complain(["machine", "places"], "A machine has at least one pCPU", "List it");
  if (domains.length === 0) complain(["domains"], "A scenario has at least one domain", "Write one");
  const names = domains.map(({ name }) => name);
  domains.forEach((domain, index) => {
    const at: FieldPath = ["domains", index];
    if (names.indexOf(domain.name) < index) {
      complain([...at, "name"], `There are two domains ${JSON.stringify(domain.name)}`, "Rename one of them");
    }
    pinFaults(domain.pins, domain.vcpus, pcpus, [...at, "pins"], complain);
    if (written.host.scheduler.kind === "strict-co" && pcpus < domain.vcpus) {
      complain(
        [...at, "vcpus"],
        `Strict co-scheduling needs a pCPU for each of ${domain.vcpus} vCPUs, and there are ${pcpus}`,
        "Give the domain fewer vCPUs or the machine more pCPUs",
      );
    }
    if ("inline" in written.domains[index]!.workload) programFaults(domain, [...at, "workload"], complain);
  });
  entityFaults(domains, complain);
  untilFaults(written, names, complain);
  controllerFaults(written, domains, pcpus, isControllerList, complain);
}

function pinFaults(
  pins: readonly (readonly number[])[] | undefined,
  vcpus: number,
  pcpus: number,
  at: FieldPath,
  complain: Complain,
): void {
  if (pins === undefined) return;
  if (pins.length !== vcpus) {
    complain(at, `pins has one list for each of ${vcpus} vCPUs, not ${pins.length}`, "Add or remove lists");
  }
  const strange = [...new Set(pins.flat().filter((pcpu) => pcpus <= pcpu))];
  if (strange.length > 0) {
    complain(at, `The machine has no pCPU ${strange.join(", ")}`, `Name pCPUs from 0 to ${pcpus - 1}`);
  }
}

function entityFaults(domains: readonly DomainConfig[], complain: Complain): void {
  const vcpus = domains.reduce((sum, domain) => sum + domain.vcpus, 0);
  const tasks = domains.reduce(
    (sum, { workload }) => sum + workload.tasks.reduce((inner, { count }) => inner + count, 0),
    0,
  );
  if (ENTITIES_MAX <= Math.max(vcpus, tasks)) {
    complain(
      ["domains"],
      `A run has fewer than ${ENTITIES_MAX} vCPUs and tasks, not ${vcpus} and ${tasks}`,
      "Split the scenario",
    );
  }
}

function untilFaults(
  { until, domains }: WrittenScenario,
  names: readonly string[],
  complain: Complain,
): void {
  if (typeof until === "number") return;
  (until.finished ?? []).forEach((name, i) => {
    const at: FieldPath = ["until", "finished", i];
    if (!names.includes(name))
      complain(at, `There is no domain ${JSON.stringify(name)}`, nearest(name, names));
  });
  for (const [index, { startAt }] of domains.entries()) {
    if (startAt !== undefined && until.at <= startAt) {
      complain(
        ["domains", index, "startAt"],
        "The run is over before this domain starts",
        "Raise until.at or lower startAt",
      );
    }
  }
}

function controllerFaults(
  { controller }: WrittenScenario,
  domains: readonly DomainConfig[],
  pcpus: number,
  isControllerList: boolean,
  complain: Complain,
): void {
  const names = domains.map(({ name }) => name);
  (controller ?? []).forEach((config, c) => {
    const at: FieldPath = isControllerList ? ["controller", c] : ["controller"];
    if ("domains" in config) {
      (config.domains ?? []).forEach((name, i) => {
        if (!names.includes(name))
          complain([...at, "domains", i], `There is no domain ${JSON.stringify(name)}`, nearest(name, names));
      });
    }
    if (config.kind === "script") scriptFaults(config, at, domains, pcpus, complain);
  });
}

function scriptFaults(
  { changes }: ScriptConfig,
  above: FieldPath,
  domains: readonly DomainConfig[],
  pcpus: number,
  complain: Complain,
): void {
  changes.forEach((change, i) => {
    const at: FieldPath = [...above, "changes", i];
    const domain = domains.find(({ name }) => name === change.domain);
    if (domain === undefined) {
      const known = domains.map(({ name }) => name);
      complain(
        [...at, "domain"],
        `There is no domain ${JSON.stringify(change.domain)}`,
        nearest(change.domain, known),
      );
      return;
    }
    if (change.online !== undefined && domain.vcpus < change.online) {
      complain(
        [...at, "online"],
        `${domain.name} has ${domain.vcpus} vCPUs, not ${change.online}`,
        "Lower the number",
      );
    }
    pinFaults(change.pins, domain.vcpus, pcpus, [...at, "pins"], complain);
  });
}

export function nearest(name: string, known: readonly string[]): string {
  const meant = closest(name, known);
  if (meant !== null) return `Did you mean ${JSON.stringify(meant)}?`;
  return known.length === 0 ? "Declare it" : `Use one of: ${known.join(", ")}`;
}
