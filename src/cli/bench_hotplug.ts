/** `vbal bench hotplug`: how long a guest waits for a vCPU that it asks for. */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional, withDefault } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { choice, integer } from "@optique/core/valueparser";
import { benchHotplug, HOTPLUG_WAYS } from "../bench/hotplug/bench_hotplug.ts";
import { renderHotplugTable } from "../bench/hotplug/render_bench_hotplug.ts";
import { outOption, report } from "./bench_report.ts";
import { type Command, type Deed, jsonOption } from "./command.ts";

export const hotplugBench: Command = command(
  "hotplug",
  map(
    object({
      runs: withDefault(
        option("--runs", integer({ min: 0, max: 1_000, metavar: "N" }), {
          description: message`Bursts that vbal serves, 20 when absent; each takes about 40 s.`,
        }),
        20,
      ),
      baselineRuns: optional(
        option("--baseline-runs", integer({ min: 0, max: 1_000, metavar: "N" }), {
          description: message`Bursts that the load average serves, as many when absent; each takes about a minute.`,
        }),
      ),
      way: withDefault(
        option("--way", choice(HOTPLUG_WAYS, { metavar: "WAY" }), {
          description: message`Whether the vCPU is there and comes online, or is plugged; online when absent.`,
        }),
        "online" as const,
      ),
      out: outOption(),
      json: jsonOption(),
    }),
    ({ runs, baselineRuns, way, out, json }): Deed =>
      async (terminal) => {
        const result = await benchHotplug({
          runs,
          baselineRuns: baselineRuns ?? runs,
          way,
          onProgress: (line) => terminal.printError(line),
        });
        const name = way === "online" ? "hotplug" : "hotplug-plug";
        return report(terminal, { name, result, lines: renderHotplugTable(result), out, json });
      },
  ),
  {
    brief: message`Real guests with two nodes: from the onset of load to a vCPU that runs it, beside the load average.`,
  },
);
