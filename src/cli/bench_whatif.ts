/** `vbal bench whatif`: predictions from a record, against what vbal then gave. */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, multiple, withDefault } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { choice, float, integer } from "@optique/core/valueparser";
import { benchWhatIf } from "../bench/whatif/bench_whatif.ts";
import { benchKnownWorlds } from "../bench/whatif/known_worlds.ts";
import { renderWhatIfBench } from "../bench/whatif/render_bench_whatif.ts";
import { renderKnownWorlds } from "../bench/whatif/render_known_worlds.ts";
import { GUEST_PROGRAMS } from "../lab/guest_program.ts";
import { tuneV8 } from "../sim/tune_v8.ts";
import { outOption, report } from "./bench_report.ts";
import { type Command, type Deed, jsonOption } from "./command.ts";

export const whatIfBench: Command = command(
  "whatif",
  map(
    object({
      programs: multiple(
        option("--program", choice([...GUEST_PROGRAMS], { metavar: "NAME" }), {
          description: message`May be given several times; all when absent.`,
        }),
      ),
      seconds: withDefault(
        option("--seconds", integer({ min: 15, max: 3_600, metavar: "N" }), {
          description: message`How long to record each program, and to measure it again; 40 when absent.`,
        }),
        40,
      ),
      scale: withDefault(
        option("--scale", float({ min: 0.001, max: 1000, metavar: "FACTOR" }), {
          description: message`The work of one run at least, 0.25 when absent; more where a run would be short.`,
        }),
        0.25,
      ),
      simulated: option("--simulated", {
        description: message`Worlds of the simulator, whose truth is known, in place of guests; takes some minutes.`,
      }),
      out: outOption(),
      json: jsonOption(),
    }),
    ({ programs, seconds, scale, simulated, out, json }): Deed =>
      async (terminal) => {
        tuneV8();
        const onProgress = (line: string) => terminal.printError(line);
        if (simulated) {
          const worlds = benchKnownWorlds(onProgress);
          const lines = renderKnownWorlds(worlds);
          return report(terminal, { name: "whatif-simulated", result: worlds, lines, out, json });
        }
        const result = await benchWhatIf({
          programs: programs.length === 0 ? GUEST_PROGRAMS : programs,
          seconds,
          scale,
          onProgress,
        });
        return report(terminal, { name: "whatif", result, lines: renderWhatIfBench(result), out, json });
      },
  ),
  { brief: message`Real guests: what whatif predicts from a record, against what vbal then gives.` },
);
