/** `vbal bench`: the benchmarks, each against what it is measured by. */
import { resolve } from "node:path";
import { object, or } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, multiple, withDefault } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { float, integer, string } from "@optique/core/valueparser";
import { benchCore, CORE_BENCH_FULL, CORE_BENCH_QUICK } from "../bench/core/bench_core.ts";
import { renderCoreTables } from "../bench/core/render_bench_core.ts";
import { benchAgent } from "../bench/lab/bench_agent.ts";
import { benchBalloon } from "../bench/lab/bench_balloon.ts";
import { benchDaemon } from "../bench/lab/bench_daemon.ts";
import { ARMS, type Arm, benchLab, COMPARED_ARMS } from "../bench/lab/bench_lab.ts";
import { renderAgentTable } from "../bench/lab/render_bench_agent.ts";
import { renderBalloonTable } from "../bench/lab/render_bench_balloon.ts";
import { renderDaemonTable } from "../bench/lab/render_bench_daemon.ts";
import { renderLabSvg, renderLabTable } from "../bench/lab/render_bench_lab.ts";
import { benchSim } from "../bench/sim/bench_sim.ts";
import { renderSimBench } from "../bench/sim/render_bench_sim.ts";
import { keepPlansFast } from "../daemon/tune_v8.ts";
import { GUEST_PROGRAMS } from "../lab/guest_program.ts";
import { apiBench } from "./bench_api.ts";
import { demandBench } from "./bench_demand.ts";
import { hotplugBench } from "./bench_hotplug.ts";
import { keep, outOption, report } from "./bench_report.ts";
import { whatIfBench } from "./bench_whatif.ts";
import { CliError } from "./cli_error.ts";
import { type Command, type Deed, jsonOption } from "./command.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";

const labBench = command(
  "lab",
  map(
    object({
      programs: withDefault(
        option("--programs", string({ metavar: "NAMES" }), {
          description: message`Programs, separated by commas; all when absent.`,
        }),
        GUEST_PROGRAMS.join(","),
      ),
      arms: withDefault(
        option("--arms", string({ metavar: "NAMES" }), {
          description: message`Arms, separated by commas; default, affinity, static and vbal when absent.`,
        }),
        COMPARED_ARMS.join(","),
      ),
      rounds: withDefault(
        option("--rounds", integer({ min: 1, max: 1000, metavar: "N" }), {
          description: message`How often every arm gets its turn, 10 when absent.`,
        }),
        10,
      ),
      scale: withDefault(
        option("--scale", float({ min: 0.001, max: 1000, metavar: "FACTOR" }), {
          description: message`The amount of work; 1 is some seconds on one vCPU.`,
        }),
        1,
      ),
      out: outOption(),
      json: jsonOption(),
    }),
    ({ programs, arms, rounds, scale, out, json }): Deed =>
      async (terminal) => {
        const result = await benchLab({
          programs: parseNames(programs, GUEST_PROGRAMS, "guest program"),
          arms: inOrder(parseNames(arms, ARMS, "arm")),
          rounds,
          scale,
          onProgress: (line) => terminal.printError(line),
        });
        if (out !== undefined) {
          await keep(out, { "lab.json": JSON.stringify(result, null, 1), "lab.svg": renderLabSvg(result) });
        }
        terminal.print(json ? JSON.stringify(result, null, 2) : renderLabTable(result).join("\n"));
        return EXIT_CODE.ok;
      },
  ),
  {
    brief: message`Real guests: default scheduling, affinity, static VCPU-Bal and vbal, in turn.`,
    footer: commandExamples([
      "vbal bench lab --programs mm,compute --rounds 4 --json",
      "two programs, for a script",
    ]),
  },
);

const coreBench = command(
  "core",
  map(
    object({
      quick: option("--quick", { description: message`Fewer plans and cases: seconds instead of minutes.` }),
      out: outOption(),
      json: jsonOption(),
    }),
    ({ quick, out, json }): Deed =>
      async (terminal) => {
        keepPlansFast();
        const result = await benchCore(quick ? CORE_BENCH_QUICK : CORE_BENCH_FULL);
        return report(terminal, { name: "core", result, lines: renderCoreTables(result), out, json });
      },
  ),
  {
    brief: message`The decision core: time of a plan, and its placements against an exhaustive search.`,
  },
);

const simBench = command(
  "sim",
  map(
    object({
      quick: option("--quick", { description: message`The small model and 12 pCPUs only.` }),
      out: outOption(),
      json: jsonOption(),
    }),
    ({ quick, out, json }): Deed =>
      async (terminal) => {
        const onProgress = (line: string): void => terminal.printError(line);
        const result = benchSim(quick ? { rounds: 3, warmUp: 2, pcpus: [12], onProgress } : { onProgress });
        return report(terminal, { name: "sim", result, lines: renderSimBench(result), out, json });
      },
  ),
  {
    brief: message`The simulator: events per second, beside the same small model in C++, on SimPy and on simjs.`,
  },
);

const balloonBench = command(
  "balloon",
  map(
    object({
      runs: withDefault(
        option("--runs", integer({ min: 1, max: 10_000, metavar: "N" }), {
          description: message`How often every way takes and gives a vCPU, 50 when absent.`,
        }),
        50,
      ),
      vcpus: multiple(
        option("--vcpus", integer({ min: 2, max: 64, metavar: "K" }), {
          description: message`Size of the guest; may be given several times. 2 and 4 when absent.`,
        }),
      ),
      out: outOption(),
      json: jsonOption(),
    }),
    ({ runs, vcpus, out, json }): Deed =>
      async (terminal) => {
        const result = await benchBalloon({
          runs,
          vcpus: vcpus.length === 0 ? [2, 4] : vcpus,
          onProgress: (line) => terminal.printError(line),
        });
        return report(terminal, { name: "balloon", result, lines: renderBalloonTable(result), out, json });
      },
  ),
  { brief: message`Real guests: how long a vCPU takes to go and to come, beside a bare write in the guest.` },
);

const daemonBench = command(
  "daemon",
  map(
    object({
      guests: withDefault(
        option("--guests", integer({ min: 1, max: 99, metavar: "N" }), {
          description: message`How many, 10 when absent.`,
        }),
        10,
      ),
      seconds: withDefault(
        option("--seconds", integer({ min: 10, max: 86_400, metavar: "N" }), {
          description: message`How long to measure, 180 when absent: so rarely an idle guest shows its measures.`,
        }),
        180,
      ),
      out: outOption(),
      json: jsonOption(),
    }),
    ({ guests, seconds, out, json }): Deed =>
      async (terminal) => {
        const result = await benchDaemon({
          guests,
          seconds,
          vbal: [process.execPath, resolve(import.meta.dirname, "main.js")],
          agentBinary: resolve(import.meta.dirname, "../agent/vbal-agent"),
          onProgress: (line) => terminal.printError(line),
        });
        return report(terminal, { name: "daemon", result, lines: renderDaemonTable(result), out, json });
      },
  ),
  { brief: message`What the daemon and the agents cost while nothing happens.` },
);

const agentBench = command(
  "agent",
  map(
    object({
      seconds: withDefault(
        option("--seconds", integer({ min: 10, max: 86_400, metavar: "N" }), {
          description: message`How long to measure each load, 60 when absent.`,
        }),
        60,
      ),
      out: outOption(),
      json: jsonOption(),
    }),
    ({ seconds, out, json }): Deed =>
      async (terminal) => {
        const result = await benchAgent({ seconds, onProgress: (line) => terminal.printError(line) });
        return report(terminal, { name: "agent", result, lines: renderAgentTable(result), out, json });
      },
  ),
  { brief: message`What the agent costs its guest, at rest and under loads that are dear to measure.` },
);

export const benchCommand: Command = command(
  "bench",
  or(
    labBench,
    coreBench,
    simBench,
    balloonBench,
    daemonBench,
    agentBench,
    hotplugBench,
    demandBench,
    apiBench,
    whatIfBench,
  ),
  {
    brief: message`Run a benchmark.`,
  },
);

function parseNames<Name extends string>(names: string, known: readonly Name[], what: string): Name[] {
  return names.split(",").map((written) => {
    const name = known.find((one) => one === written.trim());
    if (name !== undefined) return name;
    throw new CliError("usage", `There is no ${what} ${written}; choose from ${known.join(", ")}`);
  });
}

function inOrder(chosen: readonly Arm[]): Arm[] {
  return ARMS.filter((arm) => chosen.includes(arm));
}
