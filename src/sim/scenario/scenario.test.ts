/** Scenario files: what they may say, and what is said about broken ones, with the place, the rule and a way out. */
import { describe, expect, test } from "vitest";
import { renderFault } from "../../protocol/fault.ts";
import { runSimulation } from "../run.ts";
import { CONTROLLER_NAMES } from "./controller_schema.ts";
import { runScenario } from "./run_scenario.ts";
import { parseScenario, type Scenario } from "./scenario.ts";
import { SCHEDULER_NAMES } from "./scheduler_schema.ts";

const NEIGHBOURS: Readonly<Record<string, string>> = {
  "load.json": '{ "tasks": { "t": { "run": 1000, "sleep": 9000 } } }',
  "broken.json": '{ "tasks": { "t": { "run": 1000, "runtime": 9000 } } }',
};

function read(name: string): string {
  const text = NEIGHBOURS[name];
  if (text === undefined) throw new Error("there is no such file");
  return text;
}

/** The scenario of a text that must be valid. */
function check(text: string): Scenario {
  const parsed = parseScenario({ file: "s.yaml", text }, read);
  if ("faults" in parsed) throw new Error(parsed.faults.map(renderFault).join("\n"));
  return parsed.value;
}

function complaints(text: string): string[] {
  const parsed = parseScenario({ file: "s.yaml", text }, read);
  return "faults" in parsed ? parsed.faults.map((fault) => renderFault(fault).replace("s.yaml:", "")) : [];
}

/** A whole file around domains, or around the program of its only task. */
const withDomains = (domains: string, more = ""): string =>
  `why: a test\nuntil: 10ms\nmachine: { pcpus: 4 }\nhost: { scheduler: credit }\n${more}domains:\n${domains}`;
const withProgram = (program: string, more = ""): string =>
  withDomains(
    `  - name: a
    vcpus: 2
    workload: { ${more}tasks: [{ count: 2, program: [${program}] }] }`,
  );

describe("a scenario file", () => {
  test("becomes a simulation; times are nanoseconds, caps thousandths of a pCPU", () => {
    const { config, name, why, replications, workloads } = check(`
why: everything at once
seed: 7
replications: 3
tieSalt: 2
checks: true
until: { at: 1.5s, finished: [a] }
machine: { pcpus: 8, nodes: 2, llcsPerNode: 2, threadsPerCore: 2, costs: { ipiSend: 2.5us, smtSharedRate: 0.7 } }
host: { scheduler: { kind: cfs, groups: false }, pauseLoopExits: true, lockHolderAvoidance: hinted }
domains:
  - name: a
    vcpus: 2
    weight: 512
    cap: 1.5
    pins: [[0], "2-3"]
    startAt: 3ms
    restart: true
    stealAware: true
    timerTicks: 250
    workload:
      locks: { l: { kind: ticket } }
      tasks:
        - count: 2
          program:
            - { do: lock, lock: l }
            - { do: compute, time: { low: 0, high: 10us }, mode: kernel }
            - { do: unlock, lock: l }
  - { name: b, vcpus: 1, pins: "4-7", workload: { name: compute, threads: 3, scale: 0.1, set: { work: 2ms } } }
`);
    expect({ name, why, replications, workloads }).toEqual({
      name: "s",
      why: "everything at once",
      replications: 3,
      workloads: { a: "inline", b: "compute" },
    });
    expect(config).toMatchObject({
      seed: 7,
      tieSalt: 2,
      checks: true,
      until: { at: 1_500_000_000, finished: ["a"] },
      machine: {
        topology: { pcpus: 8, nodes: 2, llcsPerNode: 2, threadsPerCore: 2 },
        costs: { ipiSend: 2_500, smtSharedRate: 0.7 },
      },
      host: {
        scheduler: { kind: "cfs", groups: false },
        pauseLoopExits: true,
        lockHolderAvoidance: "hinted",
      },
    });
    expect(config.domains[0]).toMatchObject({
      cap: 1500,
      weight: 512,
      pins: [[0], [2, 3]],
      startAt: 3_000_000,
      timerTicks: 250,
    });
    expect(config.domains[1]).toMatchObject({ pins: [[4, 5, 6, 7]] });
    expect(config.domains[1]!.workload.tasks[0]).toMatchObject({ count: 3 });
  });

  test("without costs, a machine with threads and nodes still works at full speed", () => {
    const { config } = check(
      withDomains("  - { name: a, vcpus: 4, workload: { name: compute, scale: 0.001 } }").replace(
        "pcpus: 4",
        "pcpus: 4, nodes: 2, threadsPerCore: 2, costs: none",
      ),
    );
    expect(runSimulation({ ...config, replication: 0 }).domains[0]!.finishedAt).not.toBeNull();
    expect(config.machine.costs).toMatchObject({ ipiSend: 0, smtSharedRate: 1, remoteMemoryRate: 1 });
  });

  test("may as well be JSON, and hashes alike", () => {
    const yaml = check(withDomains("  - { name: a, vcpus: 2, workload: compute }"));
    const json = check(
      JSON.stringify({
        why: "another sentence",
        seed: 99,
        until: "10ms",
        machine: { pcpus: 4 },
        host: { scheduler: "credit" },
        domains: [{ name: "a", vcpus: 2, workload: "compute" }],
      }),
    );
    expect(json.configHash).toBe(yaml.configHash);
    expect(check(withDomains("  - { name: a, vcpus: 3, workload: compute }")).configHash).not.toBe(
      yaml.configHash,
    );
  });

  test.each(SCHEDULER_NAMES.map((name) => ({ name })))("runs under $name by name alone", ({ name }) => {
    const { config } = check(
      withDomains("  - { name: a, vcpus: 2, workload: { name: spinlock, scale: 0.01 } }").replace(
        "credit",
        name,
      ),
    );
    expect(runSimulation({ ...config, checks: true, replication: 0 }).domains[0]!.marks).toBeGreaterThan(0);
  });

  test.each(CONTROLLER_NAMES.filter((name) => name !== "script").map((name) => ({ name })))(
    "runs with the controller $name by name alone",
    ({ name }) => {
      const guest = "vcpus: 4, workload: { name: spinlock, scale: 0.02 }";
      const text = withDomains(
        `  - { name: a, ${guest} }\n  - { name: b, ${guest} }`,
        `controller: [${name}]\n`,
      );
      const row = runScenario(check(text), 0, null);
      expect(row.policy).toBe(`credit+${name}`);
      expect(row.domains["a"]!.marks).toBeGreaterThan(0);
    },
  );

  test("takes an rt-app file beside it", () => {
    const { config, workloads } = check(
      withDomains("  - { name: a, vcpus: 1, workload: { rtApp: load.json } }"),
    );
    expect(workloads).toEqual({ a: "load" });
    expect(config.domains[0]!.workload.tasks).toMatchObject([{ name: "t", count: 1 }]);
  });
});

const TIME_RULE = "A time is a whole number of nanoseconds, at most a day, and carries its unit";
const LOCKING = "lock, unlock, down-read, up-read, down-write, up-write, barrier, wait, signal, broadcast";
const STEPS = `compute, ${LOCKING}, push, pop, shootdown, sleep, yield, mark, repeat, chance`;
const USE_RUN = "Use run: runtime is time by the clock, and what it computes would depend on the scheduling";

describe("a broken scenario file", () => {
  const lock = "locks: { l: { kind: ticket }, s: { kind: rwsem } }, ";
  test.each([
    {
      what: "not YAML",
      text: "why: [",
      says: [
        "1:7: A bracket stays open, or the indentation does not fit. Close every bracket, and indent the fields of one map alike",
      ],
    },
    {
      what: "no reason to exist",
      text: withDomains("  - { name: a, vcpus: 2, workload: compute }").replace("why: a test\n", ""),
      says: [
        "1:1: why: A scenario says in one sentence why it exists, in at most 200 characters. Write `why: ...` as the first line",
      ],
    },
    {
      what: "a field that nobody knows",
      text: withDomains("  - { name: a, vcpu: 2, workload: compute }"),
      says: [
        "6:5: domains[0].vcpus: The number of vCPUs is a whole number from 1 to 4096. Write a number in that range",
        '6:16: domains[0].vcpu: There is no field "vcpu" here. Did you mean "vcpus"?',
      ],
    },
    {
      what: "a scheduler that nobody knows",
      text: withDomains("  - { name: a, vcpus: 2, workload: compute }").replace("credit", "o1"),
      says: [
        `4:20: host.scheduler: The name of a host scheduler must stand here, not "o1". Write one of: ${SCHEDULER_NAMES.join(", ")}`,
      ],
    },
    {
      what: "a parameter of another scheduler",
      text: withDomains("  - { name: a, vcpus: 2, workload: compute }").replace(
        "credit",
        "{ kind: credit, skewMax: 3ms }",
      ),
      says: [
        '4:36: host.scheduler.skewMax: There is no field "skewMax" here. Use one of: kind, slice, weightPer, boost',
      ],
    },
    {
      what: "a time without unit",
      text: withDomains("  - { name: a, vcpus: 2, workload: compute, startAt: 5 }"),
      says: [`6:54: domains[0].startAt: ${TIME_RULE}, not 5. Write it as in 30ms, 2.5us, 100ns or 1s`],
    },
    {
      what: "a workload that nobody knows",
      text: withDomains("  - { name: a, vcpus: 2, workload: streamclutser }"),
      says: [
        '6:36: domains[0].workload: There is no workload "streamclutser". Did you mean "streamcluster"?',
      ],
    },
    {
      what: "a parameter that the workload has not",
      text: withDomains("  - { name: a, vcpus: 2, workload: { name: compute, set: { speed: 2 } } }"),
      says: [
        '6:67: domains[0].workload.set.speed: The workload compute has no parameter "speed". Set one of: pieces, work, variation',
      ],
    },
    {
      what: "a pCPU that is not there, and pins for too few vCPUs",
      text: withDomains("  - { name: a, vcpus: 2, workload: compute, pins: [[0, 4]] }"),
      says: [
        "6:51: domains[0].pins: pins has one list for each of 2 vCPUs, not 1. Add or remove lists",
        "6:51: domains[0].pins: The machine has no pCPU 4. Name pCPUs from 0 to 3",
      ],
    },
    {
      what: "two domains of one name",
      text: withDomains(
        "  - { name: a, vcpus: 1, workload: compute }\n  - { name: a, vcpus: 1, workload: compute }",
      ),
      says: ['7:13: domains[1].name: There are two domains "a". Rename one of them'],
    },
    {
      what: "the end of a domain that is not there",
      text: withDomains("  - { name: web, vcpus: 1, workload: compute }").replace(
        "10ms",
        "{ at: 10ms, finished: [wep] }",
      ),
      says: ['2:31: until.finished[0]: There is no domain "wep". Did you mean "web"?'],
    },
    {
      what: "neither pCPUs nor their places",
      text: withDomains("  - { name: a, vcpus: 1, workload: compute }").replace("pcpus: 4", "costs: none"),
      says: [
        "3:10: machine: A machine has either `pcpus` or `places`. Write `pcpus: 12`, or list each pCPU's core, llc and node",
      ],
    },
    {
      what: "a rate above full speed",
      text: withDomains("  - { name: a, vcpus: 1, workload: compute }").replace(
        "pcpus: 4",
        "pcpus: 4, costs: { smtSharedRate: 2 }",
      ),
      says: [
        "3:46: machine.costs.smtSharedRate: A rate is a part of full speed, above 0 and at most 1, not 2. Write it as in 0.65",
      ],
    },
    {
      what: "a gang larger than the machine",
      text: withDomains("  - { name: a, vcpus: 5, workload: compute }").replace("credit", "strict-co"),
      says: [
        "6:23: domains[0].vcpus: Strict co-scheduling needs a pCPU for each of 5 vCPUs, and there are 4. Give the domain fewer vCPUs or the machine more pCPUs",
      ],
    },
    {
      what: "a step that nobody knows",
      text: withProgram("{ do: lok, lock: l }"),
      says: [
        '8:47: domains[0].workload.tasks[0].program[0]: There is no step "lok", not {"do":"lok","lock":"l"}. Write `do:` with one of: ' +
          STEPS,
      ],
    },
    {
      what: "a slip deep inside a program",
      text: withProgram("{ do: repeat, body: [{ do: compute, tme: 1ms }] }"),
      says: [
        `8:68: domains[0].workload.tasks[0].program[0].body[0].time: ${TIME_RULE}. Write it as in 30ms, 2.5us, 100ns or 1s`,
        '8:83: domains[0].workload.tasks[0].program[0].body[0].tme: There is no field "tme" here. Did you mean "time"?',
      ],
    },
    {
      what: "a lock that is not declared",
      text: withProgram("{ do: lock, lock: k }, { do: unlock, lock: k }", lock),
      says: [
        '8:117: domains[0].workload.tasks[0].program[0].lock: The workload declares no lock "k". Did you mean "l"?',
        '8:142: domains[0].workload.tasks[0].program[1].lock: The workload declares no lock "k". Did you mean "l"?',
      ],
    },
    {
      what: "a semaphore taken as a spinlock",
      text: withProgram("{ do: lock, lock: s }, { do: unlock, lock: s }", lock),
      says: [
        "8:117: domains[0].workload.tasks[0].program[0].lock: `lock` needs a lock that is no rwsem; s is of kind rwsem. Change the step or the lock's kind",
        "8:142: domains[0].workload.tasks[0].program[1].lock: `unlock` needs a lock that is no rwsem; s is of kind rwsem. Change the step or the lock's kind",
      ],
    },
    {
      what: "a lock that is released but not held, and one that is never released",
      text: withProgram("{ do: unlock, lock: l }, { do: lock, lock: l }", lock),
      says: [
        "8:98: domains[0].workload.tasks[0].program: The program ends while it holds l. Release it before the end",
        "8:119: domains[0].workload.tasks[0].program[0].lock: The task does not hold l here. Take it before, on the same level of the program",
      ],
    },
    {
      what: "a lock that a loop takes again and again",
      text: withProgram("{ do: repeat, body: [{ do: lock, lock: l }, { do: compute, time: 1ms }] }", lock),
      says: [
        "8:119: domains[0].workload.tasks[0].program[0].body: A body ends with the locks that it began with. Release what it takes, and take what it releases",
      ],
    },
    {
      what: "a barrier that never opens",
      text: withProgram("{ do: barrier, barrier: b }", "barriers: { b: { parties: 3 } }, "),
      says: [
        "8:43: domains[0].workload.barriers.b.parties: The barrier waits for 3 tasks, and 2 use it. Lower the parties or add tasks",
      ],
    },
    {
      what: "a loop in which no time passes",
      text: withProgram("{ do: repeat, body: [{ do: mark }] }"),
      says: [
        "8:67: domains[0].workload.tasks[0].program[0].body: No time passes in a loop without end. Add a compute or sleep step that always comes",
      ],
    },
    {
      what: "a change of a domain that is not there",
      text: withDomains(
        "  - { name: a, vcpus: 1, workload: compute }",
        "controller: { kind: script, changes: [{ at: 1ms, domain: other, online: 1 }] }\n",
      ),
      says: ['5:58: controller.changes[0].domain: There is no domain "other". Use one of: a'],
    },
    {
      what: "an rt-app file that is not there, and one that does not map",
      text: withDomains(
        "  - { name: a, vcpus: 1, workload: { rtApp: gone.json } }\n  - { name: b, vcpus: 1, workload: { rtApp: broken.json } }",
      ),
      says: [
        "6:45: domains[0].workload.rtApp: The file gone.json cannot be read: there is no such file. Name a file next to the scenario",
        `7:45: domains[1].workload.rtApp: broken.json:1:45: tasks.t.runtime: rt-app's runtime does not map. ${USE_RUN}`,
      ],
    },
  ])("$what", ({ text, says }) => {
    expect(complaints(text)).toEqual(says);
  });
});

test.each([
  {
    what: "a rate is a part of full speed",
    costs: "{ remoteMemoryRate: 0.5 }",
    expected: { remoteMemoryRate: 0.5 },
  },
  {
    what: "without costs everybody works at full speed, not at none",
    costs: "none",
    expected: { remoteMemoryRate: 1, smtSharedRate: 1, vcpuSwitch: 0 },
  },
])("$what", ({ costs, expected }) => {
  const text = [
    "why: x",
    "until: 1ms",
    `machine: { pcpus: 4, nodes: 2, costs: ${costs} }`,
    "host: { scheduler: credit }",
    "domains: [{ name: a, vcpus: 1, workload: compute }]",
  ].join("\n");
  const parsed = parseScenario({ file: "s.yaml", text }, () => "");
  if ("faults" in parsed) throw new Error(JSON.stringify(parsed.faults));
  expect(parsed.value.config.machine.costs).toMatchObject(expected);
});
