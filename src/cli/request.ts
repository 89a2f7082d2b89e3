/** `vbal request DOMAIN`: asks for one more vCPU for a domain, as an administrator (P-15). */
import { setTimeout as sleep } from "node:timers/promises";
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import { argument, command, option } from "@optique/core/primitives";
import { integer, string } from "@optique/core/valueparser";
import type { RequestView } from "../protocol/state_view.ts";
import { type Command, jsonOption } from "./command.ts";
import { type ControlClient, connectControl, controlOption } from "./control_client.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { renderJson } from "./render_json.ts";

/** The daemon tries to plug for 20 s. */
const PLUG_WAIT_MS = 25_000;
const LOOK_EVERY_MS = 200;
/** No guest has more virtual NUMA nodes. */
const NODE_MAX = 1_023;

export const requestCommand: Command = command(
  "request",
  map(
    object({
      name: argument(string({ metavar: "DOMAIN" }), { description: message`The domain's name.` }),
      node: optional(
        option("--node", integer({ min: 0, max: NODE_MAX, metavar: "N" }), {
          description: message`The guest's virtual NUMA node where the vCPU should be, anywhere when absent.`,
        }),
      ),
      control: controlOption(),
      json: jsonOption(),
    }),
    ({ name, node, control, json }) =>
      async (terminal) => {
        const client = connectControl(control, terminal);
        const asked = await client.request(name, node ?? null);
        if (asked.fate === "waiting") terminal.printError(`${name}: ${asked.why}`);
        const request = await untilAnswered(client, { name, asked });
        terminal.print(json ? renderJson(request, terminal) : sentenceOf(name, request));
        return request.fate === "granted" ? EXIT_CODE.ok : EXIT_CODE.failed;
      },
  ),
  {
    brief: message`Ask for one more vCPU for a domain; the answer is granted, or denied with the reason.`,
    description: message`Ends with 0 when it is granted, 1 when it is denied, 2 when the command line is wrong.`,
    footer: commandExamples(
      ["vbal request web", "before load that you expect"],
      ["vbal request web --node 1", "on a virtual NUMA node of the guest"],
    ),
  },
);

async function untilAnswered(
  client: ControlClient,
  { name, asked }: { readonly name: string; readonly asked: RequestView },
): Promise<RequestView> {
  let latest = asked;
  for (let waited = 0; latest.fate === "waiting" && waited < PLUG_WAIT_MS; waited += LOOK_EVERY_MS) {
    await sleep(LOOK_EVERY_MS);
    const { domains } = await client.state();
    const own = domains.find((domain) => domain.name === name)?.requests;
    latest = own?.find(({ id }) => id === asked.id) ?? latest;
  }
  return latest;
}

function sentenceOf(name: string, { fate, vcpu, why }: RequestView): string {
  switch (fate) {
    case "granted":
      return `Granted: vCPU ${vcpu} of ${name}. ${why}`;
    case "denied":
      return `Denied: ${why}`;
    case "waiting":
      return `Not decided yet: ${why} See \`vbal explain ${name}\``;
  }
}
