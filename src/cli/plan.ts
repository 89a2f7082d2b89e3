/** `vbal plan`: what would be done, and why, without doing it. */

import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { path } from "@optique/run/valueparser";
import { makePlan } from "../core/make_plan.ts";
import { parseHostFile } from "../protocol/host_file.ts";
import { type PlanView, planView } from "../protocol/plan_view.ts";
import { badFile } from "./cli_error.ts";
import { type Command, jsonOption } from "./command.ts";
import { connectControl, controlOption } from "./control_client.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { readNamedFile } from "./read_file.ts";
import { renderJson } from "./render_json.ts";
import { renderPlan } from "./render_plan.ts";

export const planCommand: Command = command(
  "plan",
  map(
    object({
      from: optional(
        option("--from", path({ metavar: "FILE" }), {
          description: message`A host description (YAML or JSON) in place of the running daemon; - is standard input.`,
        }),
      ),
      control: controlOption(),
      json: jsonOption(),
    }),
    ({ from, control, json }) =>
      async (terminal) => {
        const view =
          from === undefined ? await connectControl(control, terminal).plan() : await planFrom(from);
        const layout = { width: terminal.columns(), style: terminal.style };
        terminal.print(json ? renderJson(view, terminal) : renderPlan(view, layout).join("\n"));
        return EXIT_CODE.ok;
      },
  ),
  {
    brief: message`Show who gets which pCPUs, and why, without touching anything.`,
    footer: commandExamples(
      ["vbal plan", "what the running daemon wants"],
      ["vbal plan --from examples/paper-12pcpu.yaml", "a host that exists in a file only"],
      ["vbal plan --from host.json --json", "for other programs"],
    ),
  },
);

/** The plan for a host description. */
export async function planFrom(file: string): Promise<PlanView> {
  const described = parseHostFile({ file, text: await readNamedFile(file) });
  if ("errors" in described) throw badFile(described.errors);
  return planView({ ...described, plan: makePlan(described.policy, described.snapshot) });
}
