/** `vbal agent-config DOMAIN`: what the load monitor in a guest is held to, and changes of it. */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, multiple } from "@optique/core/modifiers";
import { argument, command } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { THRESHOLD_IDS } from "../agent/monitor/thresholds.ts";
import { parseDomainChange, parseMonitorAssignments } from "../protocol/domain_change.ts";
import { renderFault } from "../protocol/fault.ts";
import type { DomainView } from "../protocol/state_view.ts";
import { authorOf } from "./author_of.ts";
import { CliError } from "./cli_error.ts";
import { type Command, jsonOption } from "./command.ts";
import { connectControl, controlOption } from "./control_client.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { domainOf } from "./explain.ts";
import { renderAgentConfig } from "./render_agent_config.ts";
import { renderJson } from "./render_json.ts";
import type { Terminal } from "./terminal.ts";

export const agentConfigCommand: Command = command(
  "agent-config",
  map(
    object({
      name: argument(string({ metavar: "DOMAIN" }), { description: message`The domain's name.` }),
      assignments: multiple(
        argument(string({ metavar: "MEASURE=VALUE" }), {
          description: message`A measure with its new threshold: a number, none (not watched) or default (as the config file and the guest have it). Also on=true, on=false and measuresEvery=3s.`,
        }),
      ),
      control: controlOption(),
      json: jsonOption(),
    }),
    ({ name, assignments, control, json }) =>
      async (terminal) => {
        const client = connectControl(control, terminal);
        if (assignments.length === 0) {
          const domain = domainOf(await client.state(), name);
          terminal.print(json ? renderJson(jsonOf(domain), terminal) : shown(domain, terminal));
          return EXIT_CODE.ok;
        }
        const said = await client.set(
          name,
          { monitor: changeOf(assignments) },
          authorOf(terminal, "agent-config"),
        );
        terminal.print(json ? renderJson({ domain: name, message: said }, terminal) : said);
        return EXIT_CODE.ok;
      },
  ),
  {
    brief: message`Show the thresholds of a guest's load monitor, or set them.`,
    footer: commandExamples(
      ["vbal agent-config web", "what holds, and who said so"],
      ["vbal agent-config web vm.composite=1.5", "asks later"],
      ["vbal agent-config web vm.composite=none node.runnable-threads=3", "another measure instead"],
      ["vbal agent-config web vm.composite=default", "back to what the config file or the guest says"],
    ),
  },
);

/** Checked here too, so that a typing error is told without a daemon. */
function changeOf(assignments: readonly string[]): Readonly<Record<string, unknown>> {
  const read = parseMonitorAssignments(assignments);
  if ("problem" in read) throw new CliError("usage", read.problem);
  const checked = parseDomainChange({ monitor: read.value }, THRESHOLD_IDS);
  if ("value" in checked) return read.value;
  const sentences = checked.faults.map((fault) =>
    renderFault(fault)
      .replace(/^[^ ]+ /, "")
      .replace(/^monitor\.(thresholds\.)?/, ""),
  );
  throw new CliError("usage", sentences.join("\n"));
}

function jsonOf({ name, monitor, load }: DomainView): object {
  return { domain: name, monitor: monitor ?? null, measures: load?.measures ?? null };
}

function shown(domain: DomainView, { columns, style }: Terminal): string {
  return renderAgentConfig(domain, { width: columns(), style }).join("\n");
}
