/** `vbal pause` and `vbal resume`: a maintenance pause, in which every domain keeps what it has. */
import { object } from "@optique/core/constructs";
import { type Message, message } from "@optique/core/message";
import { map } from "@optique/core/modifiers";
import { command } from "@optique/core/primitives";
import { type Command, jsonOption } from "./command.ts";
import { connectControl, controlOption } from "./control_client.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { renderJson } from "./render_json.ts";

export const pauseCommand: Command = pauseOrResume(
  "pause",
  message`Change nothing until vbal resume, over restarts of the daemon too; every domain keeps what it has.`,
);

export const resumeCommand: Command = pauseOrResume(
  "resume",
  message`End a pause: go on from how things are now.`,
);

function pauseOrResume(word: "pause" | "resume", brief: Message): Command {
  return command(
    word,
    map(object({ control: controlOption(), json: jsonOption() }), ({ control, json }) => async (terminal) => {
      const said = await connectControl(control, terminal).setPaused(word === "pause", `vbal ${word}`);
      terminal.print(json ? renderJson({ message: said }, terminal) : said);
      return EXIT_CODE.ok;
    }),
    { brief },
  );
}
