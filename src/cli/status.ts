/** `vbal status`: the state of the daemon, once. */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map } from "@optique/core/modifiers";
import { command } from "@optique/core/primitives";
import { asciiOption, type Command, jsonOption } from "./command.ts";
import { connectControl, controlOption } from "./control_client.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { renderJson } from "./render_json.ts";
import { renderStatus } from "./render_status.ts";

export const statusCommand: Command = command(
  "status",
  map(
    object({ control: controlOption(), ascii: asciiOption(), json: jsonOption() }),
    ({ control, ascii, json }) =>
      async (terminal) => {
        const state = await connectControl(control, terminal).state();
        const style = { ...terminal.style, unicode: terminal.style.unicode && !ascii };
        const lines = json
          ? [renderJson(state, terminal)]
          : renderStatus(state, {
              width: terminal.columns(),
              style,
              utcOffsetMinutes: terminal.utcOffsetMinutes,
            });
        terminal.print(lines.join("\n"));
        return EXIT_CODE.ok;
      },
  ),
  {
    brief: message`Show the running daemon's domains, pCPUs, problems and latest notes.`,
    footer: commandExamples(
      ["vbal status", "one look"],
      ["vbal status --json | jq '.domains[].target'", "for a script"],
    ),
  },
);
