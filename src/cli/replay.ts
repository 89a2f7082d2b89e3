/** `vbal replay`: feeds a journal to the controller again and shows whether it decides the same. */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import { argument, command, option } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import type { ControllerState } from "../core/controller_state.ts";
import type { ControllerEvent } from "../core/event.ts";
import { type ReplayedStep, replay } from "../daemon/replay.ts";
import { decodeJournal } from "../protocol/journal.ts";
import { CliError } from "./cli_error.ts";
import { type Command, jsonOption } from "./command.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { readNamedFile } from "./read_file.ts";
import { renderTime } from "./render_time.ts";

export const replayCommand: Command = command(
  "replay",
  map(
    object({
      file: argument(path({ metavar: "JOURNAL" })),
      domain: optional(
        option("--domain", string({ metavar: "NAME" }), {
          description: message`Only what concerns this domain.`,
        }),
      ),
      json: jsonOption(),
    }),
    ({ file, domain, json }) =>
      async (terminal) => {
        const decoded = decodeJournal<ControllerEvent, ControllerState>(await readNamedFile(file, "latin1"));
        if ("unreadable" in decoded) throw new CliError("badFile", `${file}: ${decoded.unreadable}`);
        const { steps, differences } = replay(decoded.records, "start");
        const shown = steps.filter(
          ({ notes }) => domain === undefined || notes.some((note) => concerns(note, domain)),
        );
        if (json) {
          const { damage } = decoded;
          terminal.print(JSON.stringify({ steps: shown, differences, damage }, null, 2));
        } else {
          for (const line of shown.flatMap((one) => linesOf(one, domain, terminal.utcOffsetMinutes)))
            terminal.print(line);
          for (const { message: text } of decoded.damage) terminal.printError(`${file}: ${text}`);
          for (const { line, seq } of differences) {
            terminal.printError(`${file}:${line}: record ${seq} led to other actions then than now`);
          }
          terminal.print(
            `${steps.length} events replayed, ${differences.length} decided differently, ${decoded.damage.length} damaged places`,
          );
        }
        return differences.length === 0 ? EXIT_CODE.ok : EXIT_CODE.failed;
      },
  ),
  {
    brief: message`Replay a journal: same policy, same events, same decisions.`,
    footer: commandExamples(
      ["vbal replay /var/lib/vbal/journal.jsonl", "all that happened and why"],
      ["vbal replay journal.jsonl --domain web", "the story of one domain"],
    ),
  },
);

function concerns(note: ReplayedStep["notes"][number], domain: string): boolean {
  return "domain" in note && note.domain === domain;
}

function linesOf(step: ReplayedStep, domain: string | undefined, utcOffsetMinutes: number): string[] {
  return step.notes.flatMap((note, i) =>
    domain === undefined || concerns(note, domain)
      ? [`${renderTime(step.now, utcOffsetMinutes)}  ${step.texts[i] ?? ""}`]
      : [],
  );
}
