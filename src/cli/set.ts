/** `vbal set DOMAIN FIELD=VALUE ...`: changes a domain's policy in the running daemon. */

import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, multiple } from "@optique/core/modifiers";
import { argument, command } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { THRESHOLD_IDS } from "../agent/monitor/thresholds.ts";
import { parseDomainChange, parsePolicyAssignments } from "../protocol/domain_change.ts";
import { renderFault } from "../protocol/fault.ts";
import { authorOf } from "./author_of.ts";
import { CliError } from "./cli_error.ts";
import { type Command, jsonOption } from "./command.ts";
import { connectControl, controlOption } from "./control_client.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { renderJson } from "./render_json.ts";

export const setCommand: Command = command(
  "set",
  map(
    object({
      name: argument(string({ metavar: "DOMAIN" }), { description: message`The domain's name.` }),
      assignments: multiple(
        argument(string({ metavar: "FIELD=VALUE" }), {
          description: message`A field of the config file with its new value, as in weight=512 or vcpus.max=4.`,
        }),
        { min: 1, errors: { tooFew: message`Say what to set, as in weight=512.` } },
      ),
      control: controlOption(),
      json: jsonOption(),
    }),
    ({ name, assignments, control, json }) =>
      async (terminal) => {
        const fields = parsePolicyAssignments(assignments);
        if ("problem" in fields) throw new CliError("usage", fields.problem);
        // Checked here too, so that a typing error is told without a daemon; the daemon sends what it made of it.
        const checked = parseDomainChange(fields.value, THRESHOLD_IDS);
        if ("faults" in checked) {
          const sentences = checked.faults.map((fault) => renderFault(fault).replace(/^[^ ]+ /, ""));
          throw new CliError("usage", sentences.join("\n"), []);
        }
        const said = await connectControl(control, terminal).set(
          name,
          fields.value,
          authorOf(terminal, "set"),
        );
        terminal.print(json ? renderJson({ domain: name, message: said }, terminal) : said);
        return EXIT_CODE.ok;
      },
  ),
  {
    brief: message`Change a domain's policy in the running daemon, over what its config file says.`,
    footer: commandExamples(
      ["vbal set web weight=512", "twice the usual share"],
      ["vbal set web cap=1.5 vcpus.max=4", "several fields at once"],
      ["vbal set web cap=none", "take a cap away"],
      ["vbal set web weight=default", "back to what the config file says"],
    ),
  },
);
