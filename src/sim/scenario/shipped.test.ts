/**
 * The scenarios that come with the program: each runs, with invariants checked, as it always did. A change that should
 * not change behaviour must not change a digest; one that should, changes it in the same commit and says why.
 */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { renderFault } from "../../protocol/fault.ts";
import type { RunRow } from "../output/run_row.ts";
import { runScenario } from "./run_scenario.ts";
import { parseScenario, type Scenario } from "./scenario.ts";

const FOLDER = join(import.meta.dirname, "../../../scenarios");

function shipped(name: string): Scenario {
  const file = join(FOLDER, `${name}.yaml`);
  const parsed = parseScenario({ file, text: readFileSync(file, "utf8") }, (neighbour) =>
    readFileSync(join(dirname(file), neighbour), "utf8"),
  );
  if ("faults" in parsed) throw new Error(parsed.faults.map(renderFault).join("\n"));
  return parsed.value;
}

/** The first replication, checked after every event. */
function check(name: string): RunRow {
  const scenario = shipped(name);
  return runScenario({ ...scenario, config: { ...scenario.config, checks: true } }, 0, null);
}

const MS = 1_000_000;

/** The number that each scenario is about, in its first replication. */
const GOLDEN: Readonly<Record<string, { digest: string; number: (row: RunRow) => number; is: number }>> = {
  // pCPUs that the busy guest used on average: two for some 22 s, then three.
  "automatic-hotplug": {
    digest: "f503581d",
    number: (row) => row.domains["busy"]!.runningNs / row.endedAtNs,
    is: 2.892,
  },
  // Rounds of 25/12 ms in a second: 480 in the long run, 4 marks each.
  "barrier-exponential": {
    digest: "1e4ea091",
    number: (row) => row.domains["guest"]!.barriers["round"]!.releases,
    is: 465,
  },
  // The part of the machine that works: 8 of 12.
  "gangs-8-on-12": {
    digest: "b713616f",
    number: (row) => row.pcpus.runNs / (row.pcpus.count * row.endedAtNs),
    is: 0.667,
  },
  // Milliseconds that the threads spun for a preempted holder or a preempted next in line.
  "lock-holder-preemption": {
    digest: "160d16bf",
    number: ({ domains }) => {
      const { causesNs } = domains["locks"]!;
      return (causesNs["spin-holder-preempted"] + causesNs["spin-waiter-preempted"]) / MS;
    },
    is: 127.984,
  },
  // 3.2 in the long run.
  mm1: {
    digest: "de4dbbae",
    number: (row) => row.domains["server"]!.queues["requests"]!.meanLength,
    is: 3.815,
  },
  "rt-app": { digest: "6ad300c0", number: (row) => row.domains["a"]!.runningNs / MS, is: 1004.044 },
  // 12 vCPUs would take 1,000; half of them are away for 300, and stragglers stay on what they share.
  "taken-vcpus": {
    digest: "0afb6181",
    number: (row) => row.domains["vm1"]!.finishedAtNs! / MS,
    is: 1305.039,
  },
  "two-guests-barrier": { digest: "55673f73", number: (row) => row.endedAtNs / MS, is: 867.128 },
  "two-guests-folded": { digest: "298d1731", number: (row) => row.endedAtNs / MS, is: 459.661 },
  "two-guests-vbal": { digest: "0c836d8c", number: (row) => row.endedAtNs / MS, is: 459.688 },
  // Milliseconds that the threads spun for acknowledgements of preempted siblings.
  "two-guests-swaptions": {
    digest: "9d683efc",
    number: (row) => row.domains["vm1"]!.causesNs["spin-ipi-preempted"] / MS,
    is: 175.602,
  },
  "web-server-yields": { digest: "faff7f98", number: (row) => row.domains["web"]!.marks, is: 29 },
  "web-server-beside-compute": { digest: "2b89f738", number: (row) => row.domains["web"]!.marks, is: 3010 },
};

describe("shipped scenarios", () => {
  test("each has its golden result", () => {
    const files = readdirSync(FOLDER).filter((file) => file.endsWith(".yaml"));
    expect(files.map((file) => file.replace(".yaml", "")).sort()).toEqual(Object.keys(GOLDEN).sort());
  });

  test.each(Object.entries(GOLDEN))("%s", (name, { digest, number, is }) => {
    const row = check(name);
    expect({ digest: row.digest, number: Number(number(row).toFixed(3)) }).toEqual({ digest, number: is });
  });
});

test("the examples of docs/simulator.md run as the scenarios that they stand for", () => {
  const text = readFileSync(join(FOLDER, "../docs/simulator.md"), "utf8");
  const digests = [...text.matchAll(/```yaml\n(why: [^`]*)```/g)].map(([, example = ""]) => {
    const parsed = parseScenario({ file: "simulator.md", text: example }, () => "");
    if ("faults" in parsed) throw new Error(parsed.faults.map(renderFault).join("\n"));
    return runScenario(parsed.value, 0, null).digest;
  });
  expect(digests).toEqual(
    ["mm1", "barrier-exponential", "gangs-8-on-12"].map((name) => GOLDEN[name]!.digest),
  );
});

describe("what they show", () => {
  test("folding the two guests of the barrier onto halves of the machine nearly halves their time (B-5)", () => {
    const shared = check("two-guests-barrier").endedAtNs;
    expect(check("two-guests-folded").endedAtNs).toBeLessThan(0.6 * shared);
    // The shipped controller finds the same by itself.
    expect(check("two-guests-vbal").endedAtNs).toBeLessThan(0.6 * shared);
  });

  test("equal files give equal rows, byte for byte; another replication gives another", () => {
    const scenario = shipped("mm1");
    const row = (replication: number): string => JSON.stringify(runScenario(scenario, replication, null));
    expect(row(0)).toBe(row(0));
    expect(row(0)).not.toBe(row(1));
  });
});
