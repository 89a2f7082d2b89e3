/** `vbal sim trace`: what happened in a window of a run, as a timeline for the Perfetto UI and as a picture. */
import { writeFile } from "node:fs/promises";
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional, withDefault } from "@optique/core/modifiers";
import { argument, command, option } from "@optique/core/primitives";
import { integer, string } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import { createController } from "../sim/controller/controllers.ts";
import { ganttSvg } from "../sim/output/gantt_svg.ts";
import { perfettoTrace } from "../sim/output/perfetto.ts";
import { recordTimeline } from "../sim/output/timeline.ts";
import { readTime } from "../sim/scenario/quantities.ts";
import { CliError } from "./cli_error.ts";
import { type Command, type Deed, jsonOption } from "./command.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { readScenarioFile } from "./read_scenario_file.ts";
import { renderJson } from "./render_json.ts";
import { simulated } from "./sim_run.ts";

export const simTraceCommand: Command = command(
  "trace",
  map(
    object({
      scenario: argument(path({ metavar: "SCENARIO" })),
      out: optional(
        option("--out", path({ metavar: "FILE" }), {
          description: message`Write the timeline here; ui.perfetto.dev opens it.`,
        }),
      ),
      svg: optional(
        option("--svg", path({ metavar: "FILE" }), {
          description: message`Draw the window here.`,
        }),
      ),
      from: withDefault(
        option("--from", string({ metavar: "TIME" }), { description: message`0 when absent.` }),
        "0ms",
      ),
      to: withDefault(
        option("--to", string({ metavar: "TIME" }), {
          description: message`As in 20ms or 1s; 100ms when absent.`,
        }),
        "100ms",
      ),
      seed: optional(
        option("--seed", integer({ min: 0, max: 0xffff_ffff, metavar: "N" }), {
          description: message`In place of the scenario's own.`,
        }),
      ),
      replication: withDefault(
        option("--replication", integer({ min: 0, max: 100_000, metavar: "N" }), {
          description: message`Which of the replications, 0 when absent.`,
        }),
        0,
      ),
      json: jsonOption(),
    }),
    ({ scenario: file, out, svg, from, to, seed, replication, json }): Deed =>
      async (terminal) => {
        if (out === undefined && svg === undefined) {
          throw new CliError(
            "usage",
            "Name a file to write: --out FILE for Perfetto, --svg FILE for a picture",
          );
        }
        const window = { from: timeOf("--from", from), to: timeOf("--to", to) };
        if (window.to <= window.from)
          throw new CliError("usage", `--to (${to}) must come after --from (${from})`);
        const scenario = await readScenarioFile(file);
        const { config, controllers, name } = scenario;
        const timeline = await simulated(() =>
          recordTimeline(
            { ...config, seed: seed ?? config.seed, replication },
            {
              ...window,
              records: RECORDS_MAX,
              ...(controllers.length === 0 ? {} : { controller: createController(controllers) }),
            },
          ),
        );
        if (timeline.lost > 0) {
          throw new CliError(
            "failed",
            `The window has ${timeline.lost} changes too many; end it earlier with --to`,
          );
        }
        if (timeline.to <= window.from) {
          throw new CliError(
            "failed",
            `The run is over at ${timeline.to} ns, before --from (${from}); begin earlier`,
          );
        }
        if (out !== undefined) await writeFile(out, perfettoTrace(timeline));
        const title = `${name}: ${config.host.scheduler.kind}, ${from} to ${to}`;
        if (svg !== undefined) await writeFile(svg, ganttSvg(timeline, title));
        const told = {
          out: out ?? null,
          svg: svg ?? null,
          from: timeline.from,
          to: timeline.to,
          arrows: timeline.arrows.length,
        };
        if (json) terminal.print(renderJson(told, terminal));
        else {
          if (out !== undefined) terminal.print(`Wrote ${out}; open it at https://ui.perfetto.dev`);
          if (svg !== undefined) terminal.print(`Wrote ${svg}`);
        }
        return EXIT_CODE.ok;
      },
  ),
  {
    brief: message`Record a window of a scenario as a timeline and a picture.`,
    footer: commandExamples(
      ["vbal sim trace scenarios/two-guests-barrier.yaml --out t.pftrace", "for ui.perfetto.dev"],
      ["vbal sim trace scenarios/two-guests-barrier.yaml --svg t.svg --from 10ms --to 60ms", "a picture"],
    ),
  },
);

/** Changes that a trace holds: 84 MB, and as much as a browser can show. */
const RECORDS_MAX = 4_000_000;

function timeOf(name: string, text: string): number {
  const time = readTime(text === "0" ? 0 : text);
  if (time === undefined)
    throw new CliError("usage", `${name} needs a time with its unit, as in 20ms or 1s, not ${text}`);
  return time;
}
