/** `vbal explain DOMAIN`: why a domain has what it has. */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map } from "@optique/core/modifiers";
import { argument, command } from "@optique/core/primitives";
import { string } from "@optique/core/valueparser";
import { closest } from "../protocol/closest.ts";
import type { DomainView, StateView } from "../protocol/state_view.ts";
import { CliError } from "./cli_error.ts";
import { type Command, jsonOption } from "./command.ts";
import { connectControl, controlOption } from "./control_client.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { renderExplain } from "./render_explain.ts";
import { renderJson } from "./render_json.ts";

export const explainCommand: Command = command(
  "explain",
  map(
    object({
      name: argument(string({ metavar: "DOMAIN" }), { description: message`The domain's name.` }),
      control: controlOption(),
      json: jsonOption(),
    }),
    ({ name, control, json }) =>
      async (terminal) => {
        const state = await connectControl(control, terminal).state();
        const domain = domainOf(state, name);
        const { style, utcOffsetMinutes } = terminal;
        const layout = { width: terminal.columns(), style, utcOffsetMinutes };
        terminal.print(json ? renderJson(domain, terminal) : renderExplain(state, domain, layout).join("\n"));
        return EXIT_CODE.ok;
      },
  ),
  {
    brief: message`Say why a domain has the vCPUs and pCPUs that it has.`,
    footer: commandExamples(["vbal explain web", "its policy, its due, its vCPUs and the reasons"]),
  },
);

/** The domain of that name, or an error that offers the nearest one. */
export function domainOf(state: StateView, name: string): DomainView {
  const domain = state.domains.find((known) => known.name === name);
  if (domain !== undefined) return domain;
  const names = state.domains.map((known) => known.name);
  const near = closest(name, names);
  const hint = near !== null ? `Did you mean ${near}?` : `There are: ${names.join(", ") || "none"}`;
  throw new CliError("failed", `There is no domain ${JSON.stringify(name)}. ${hint}`);
}
