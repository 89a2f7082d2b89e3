/** `vbal bench api`: whether clients of the API slow the control loop down. */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, withDefault } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { integer } from "@optique/core/valueparser";
import { benchApi } from "../bench/api/bench_api.ts";
import { renderBenchApi } from "../bench/api/render_bench_api.ts";
import { outOption, report } from "./bench_report.ts";
import { type Command, type Deed, jsonOption } from "./command.ts";

/** A count with its default. */
function count(
  name: "--pollers" | "--streams" | "--domains" | "--pcpus" | "--rounds" | "--seconds",
  usual: number,
  max: number,
) {
  return withDefault(
    option(name, integer({ min: 0, max, metavar: "N" }), {
      description: message`${String(usual)} when absent.`,
    }),
    usual,
  );
}

export const apiBench: Command = command(
  "api",
  map(
    object({
      pollers: count("--pollers", 100, 200),
      streams: count("--streams", 20, 64),
      domains: count("--domains", 20, 500),
      pcpus: count("--pcpus", 64, 512),
      rounds: count("--rounds", 24, 1_000),
      seconds: count("--seconds", 5, 600),
      out: outOption(),
      json: jsonOption(),
    }),
    ({ out, json, ...options }): Deed =>
      async (terminal) => {
        const result = await benchApi({ ...options, onProgress: (line) => terminal.printError(line) });
        return report(terminal, { name: "api", result, lines: renderBenchApi(result), out, json });
      },
  ),
  {
    brief: message`The API under load: the control loop's steps with 100 clients polling and 20 following, and without.`,
  },
);
