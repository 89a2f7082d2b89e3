/** `vbal bench demand`: what lending is worth, against strict weights. */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, withDefault } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { integer } from "@optique/core/valueparser";
import { benchDemand } from "../bench/hotplug/bench_demand.ts";
import { renderDemandTable } from "../bench/hotplug/render_bench_demand.ts";
import { keepPlansFast } from "../daemon/tune_v8.ts";
import { outOption, report } from "./bench_report.ts";
import { CliError } from "./cli_error.ts";
import { type Command, type Deed, jsonOption } from "./command.ts";

const BURST_SECONDS_MAX = 3_600;

export const demandBench: Command = command(
  "demand",
  map(
    object({
      seeds: withDefault(
        option("--seeds", integer({ min: 1, max: 1_000, metavar: "N" }), {
          description: message`Series of bursts, 20 when absent.`,
        }),
        20,
      ),
      least: withDefault(
        option("--least", integer({ min: 1, max: BURST_SECONDS_MAX, metavar: "SECONDS" }), {
          description: message`The shortest burst, at what the guest is due; 60 when absent.`,
        }),
        60,
      ),
      most: withDefault(
        option("--most", integer({ min: 1, max: BURST_SECONDS_MAX, metavar: "SECONDS" }), {
          description: message`The longest burst; 300 when absent.`,
        }),
        300,
      ),
      out: outOption(),
      json: jsonOption(),
    }),
    ({ seeds, least, most, out, json }): Deed =>
      async (terminal) => {
        if (most < least) throw new CliError("usage", `--least (${least}) may not exceed --most (${most})`);
        keepPlansFast();
        const result = await benchDemand({
          seeds,
          burstSeconds: [least, most],
          onProgress: (line) => terminal.printError(line),
        });
        return report(terminal, { name: "demand", result, lines: renderDemandTable(result), out, json });
      },
  ),
  { brief: message`Simulated host: bursts in turn under demand mode, against strict weights.` },
);
