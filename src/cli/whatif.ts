/** `vbal whatif`: what each policy would give each domain of a recorded host. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional, withDefault } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { choice, float, integer } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import type { ControllerState } from "../core/controller_state.ts";
import type { ControllerEvent } from "../core/event.ts";
import { readHistoryFile } from "../daemon/history/read_history_file.ts";
import { decodeJournal } from "../protocol/journal.ts";
import { tuneV8 } from "../sim/tune_v8.ts";
import { DRAWS } from "../study/whatif/fit.ts";
import type { HostFacts } from "../study/whatif/host_facts.ts";
import { type ReadHistory, recordingOf } from "../study/whatif/recording.ts";
import { renderWhatIf } from "../study/whatif/render_whatif.ts";
import { whatIf } from "../study/whatif/whatif.ts";
import { CliError } from "./cli_error.ts";
import { type Command, type Deed, jsonOption } from "./command.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { readNamedFile } from "./read_file.ts";
import { renderJson } from "./render_json.ts";

export const whatIfCommand: Command = command(
  "whatif",
  map(
    object({
      journal: option("--journal", path({ metavar: "FILE" }), {
        description: message`What a daemon recorded, in any mode.`,
      }),
      history: optional(
        option("--history", path({ metavar: "FILE" }), {
          description: message`The history that belongs to it; history.db beside the journal when absent.`,
        }),
      ),
      threads: withDefault(
        option("--threads", choice(["follow", "keep"], { metavar: "RULE" }), {
          description: message`Programs have a thread for every vCPU that they are given (follow, when absent), or keep those that they have.`,
        }),
        "follow" as const,
      ),
      pauseLoopExits: optional(
        option("--pause-loop-exits", choice(["yes", "no"], { metavar: "YES|NO" }), {
          description: message`Whether the host notices vCPUs that spin: KVM where the hardware can, emulation never. Left open when absent.`,
        }),
      ),
      sharingLoss: optional(
        option("--sharing-loss", float({ min: 0, max: 50, metavar: "PERCENT" }), {
          description: message`What a vCPU loses of its speed when it shares its pCPU with another one; docs/whatif.md says how to measure it. Left open when absent.`,
        }),
      ),
      handover: optional(
        option("--handover", float({ min: 0.01, max: 10_000, metavar: "MICROSECONDS" }), {
          description: message`What it takes in a guest alone to block a thread and to wake another on the same vCPU; docs/whatif.md says how to measure it. Left open when absent.`,
        }),
      ),
      wakeup: optional(
        option("--wakeup", float({ min: 0.01, max: 10_000, metavar: "MICROSECONDS" }), {
          description: message`How much more that takes where the other thread's vCPU sleeps. Left open when absent.`,
        }),
      ),
      models: withDefault(
        option("--models", integer({ min: 40, max: 100_000, metavar: "N" }), {
          description: message`How many models to try against the record, 400 when absent.`,
        }),
        DRAWS,
      ),
      json: jsonOption(),
    }),
    ({ journal, history, threads, models, json, ...told }): Deed =>
      async (terminal) => {
        const decoded = decodeJournal<ControllerEvent, ControllerState>(
          await readNamedFile(journal, "latin1"),
        );
        if ("unreadable" in decoded) throw new CliError("badFile", `${journal}: ${decoded.unreadable}`);
        const recording = withHistory(journal, history, (read) => recordingOf(decoded, read));
        if ("unusable" in recording) throw new CliError("badFile", `${journal}: ${recording.unusable}`);
        tuneV8();
        const answer = whatIf(
          { ...recording, facts: factsOf(told) },
          {
            threads,
            draws: models,
            onProgress: (done, of) => {
              if (done % PROGRESS_EVERY === 0 && !json)
                terminal.printError(`${done} of ${of} models tried against the record`);
            },
          },
        );
        terminal.print(json ? renderJson(answer, terminal) : renderWhatIf(answer).join("\n"));
        return EXIT_CODE.ok;
      },
  ),
  {
    brief: message`What each policy would give each domain of a recorded host.`,
    footer: commandExamples(
      ["vbal whatif --journal /var/lib/vbal/journal.jsonl", "from a daemon that only observes"],
      ["vbal whatif --journal journal.jsonl --history history.db --json", "from a copy, for a script"],
    ),
  },
);

const PROGRESS_EVERY = 20;

/** As on the command line: percent and microseconds. */
interface Told {
  readonly pauseLoopExits: "yes" | "no" | undefined;
  readonly sharingLoss: number | undefined;
  readonly handover: number | undefined;
  readonly wakeup: number | undefined;
}

function factsOf({ pauseLoopExits, sharingLoss, handover, wakeup }: Told): HostFacts {
  return {
    pauseLoopExits: pauseLoopExits === undefined ? null : pauseLoopExits === "yes",
    sharingLoss: sharingLoss === undefined ? null : sharingLoss / 100,
    handoverNs: handover === undefined ? null : 1_000 * handover,
    wakeupNs: wakeup === undefined ? null : 1_000 * wakeup,
  };
}

/** One that was named must be there; the one beside the journal may be. */
function withHistory<Result>(
  journal: string,
  named: string | undefined,
  use: (read: ReadHistory | null) => Result,
): Result {
  const file = named ?? join(dirname(journal), "history.db");
  if (!existsSync(file)) {
    if (named === undefined) return use(null);
    throw new CliError("badFile", `${file} cannot be read: there is no such file. Check the path`);
  }
  try {
    return readHistoryFile(file, use);
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/\s+/g, " ") : String(error);
    throw new CliError("badFile", `${file} is no history of vbal that can be read: ${why}`);
  }
}
