/** `vbal plan`: what would be done, and why, without doing it. */

import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { path } from "@optique/run/valueparser";
import { makePlan } from "../core/make_plan.ts";
import { openHypervisor } from "../daemon/open_hypervisor.ts";
import { overBase, overDefined } from "../daemon/policy_layers.ts";
import { parseHostFile } from "../protocol/host_file.ts";
import { type PlanView, planView } from "../protocol/plan_view.ts";
import { badFile, CliError } from "./cli_error.ts";
import { type Command, jsonOption } from "./command.ts";
import { connectControl, controlOption } from "./control_client.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { readConfigFile } from "./read_config_file.ts";
import { readNamedFile } from "./read_file.ts";
import { renderJson } from "./render_json.ts";
import { renderPlan } from "./render_plan.ts";
import type { Terminal } from "./terminal.ts";

export const planCommand: Command = command(
  "plan",
  map(
    object({
      from: optional(
        option("--from", path({ metavar: "FILE" }), {
          description: message`A host description (YAML or JSON) in place of the running daemon; - is standard input.`,
        }),
      ),
      config: optional(
        option("--config", "-c", path({ metavar: "FILE" }), {
          description: message`Look at the host that this config file names, without a daemon; nothing is touched.`,
        }),
      ),
      control: controlOption(),
      json: jsonOption(),
    }),
    ({ from, config, control, json }) =>
      async (terminal) => {
        const view =
          from !== undefined
            ? await planFrom(from)
            : config !== undefined
              ? await planForConfig(config, terminal)
              : await connectControl(control, terminal).plan();
        const layout = { width: terminal.columns(), style: terminal.style };
        terminal.print(json ? renderJson(view, terminal) : renderPlan(view, layout).join("\n"));
        return EXIT_CODE.ok;
      },
  ),
  {
    brief: message`Show who gets which pCPUs, and why, without touching anything.`,
    footer: commandExamples(
      ["vbal plan", "what the running daemon wants"],
      ["vbal plan --config vbal.yaml", "what a daemon with this config would do"],
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

/** Guests say hello within a moment of being asked; one that does not is planned as a silent one. */
const GUESTS_ANSWER_MS = 2_000;
const OBSERVE_DEADLINE_MS = 5_000;
/** More than all deadlines on the way together. */
const LOOK_MAX_MS = 60_000;

/** The plan for what the config's hypervisor shows now: a dry run of `vbal up`. */
async function planForConfig(file: string, { printError, style }: Terminal): Promise<PlanView> {
  const config = await readConfigFile(file);
  const { hypervisor, basePolicy } = openHypervisor(config);
  // No part of an adapter keeps a program from ending.
  const awake = setTimeout(() => undefined, LOOK_MAX_MS);
  try {
    await hypervisor.start(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, GUESTS_ANSWER_MS));
    const { snapshot, defined, problems } = await hypervisor.observe(OBSERVE_DEADLINE_MS);
    const texts = problems.map(({ message: text }) => text);
    // A plan for nobody would look as if the host had been seen.
    if (texts.length > 0 && snapshot.domains.length === 0) throw new CliError("failed", texts.join("\n"));
    for (const text of texts) printError(`${style.warn("warning:")} ${text}`);
    const { policy } = overDefined(overBase(basePolicy, config.policy), defined ?? []);
    return planView({ policy, snapshot, plan: makePlan(policy, snapshot) });
  } finally {
    clearTimeout(awake);
    await hypervisor.close();
  }
}
