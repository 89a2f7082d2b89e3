/**
 * `vbal release DOMAIN` and `vbal adopt DOMAIN`: before a live migration or a snapshot a domain must be as its
 * definition says, all vCPUs in use and free to run anywhere, and nothing may change it meanwhile (pitfalls 19, 20).
 */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, withDefault } from "@optique/core/modifiers";
import { argument, command, option } from "@optique/core/primitives";
import { integer, string } from "@optique/core/valueparser";
import { CliError } from "./cli_error.ts";
import { type Command, jsonOption } from "./command.ts";
import { type ControlClient, connectControl, controlOption } from "./control_client.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { renderJson } from "./render_json.ts";

const domainArgument = () =>
  argument(string({ metavar: "DOMAIN" }), { description: message`The domain's name.` });

/** A guest under load gives its vCPUs back within seconds; one that does not answer never does. */
const PATIENCE_DEFAULT_S = 60;
const LOOK_EVERY_MS = 200;
const MS_PER_SECOND = 1_000;

export const releaseCommand: Command = command(
  "release",
  map(
    object({
      name: domainArgument(),
      patience: withDefault(
        option("--for", integer({ metavar: "SECONDS", min: 1, max: 3_600 }), {
          description: message`How long to wait until it is as it was found, by default ${String(PATIENCE_DEFAULT_S)} s.`,
        }),
        PATIENCE_DEFAULT_S,
      ),
      control: controlOption(),
      json: jsonOption(),
    }),
    ({ name, patience, control, json }) =>
      async (terminal) => {
        const client = connectControl(control, terminal);
        await client.set(name, { managed: false }, "vbal release");
        await untilAsFound(client, name, patience);
        const said = `${name} is as it was found and is left alone until vbal adopt ${name}`;
        terminal.print(json ? renderJson({ domain: name, message: said }, terminal) : said);
        return EXIT_CODE.ok;
      },
  ),
  {
    brief: message`Put a domain back as it was found and leave it alone: before a live migration, a snapshot or a save.`,
    footer: commandExamples(
      [
        "vbal release web && virsh migrate --live web qemu+ssh://other/system",
        "it leaves as its definition says",
      ],
      ["vbal adopt web", "when it stays after all"],
    ),
  },
);

export const adoptCommand: Command = command(
  "adopt",
  map(
    object({ name: domainArgument(), control: controlOption(), json: jsonOption() }),
    ({ name, control, json }) =>
      async (terminal) => {
        await connectControl(control, terminal).set(name, { managed: "default" }, "vbal adopt");
        const said = `${name} is managed as the config says`;
        terminal.print(json ? renderJson({ domain: name, message: said }, terminal) : said);
        return EXIT_CODE.ok;
      },
  ),
  { brief: message`Manage a released domain again, as the config says.` },
);

async function untilAsFound(client: ControlClient, name: string, patienceSeconds: number): Promise<void> {
  const end = Date.now() + patienceSeconds * MS_PER_SECOND;
  for (;;) {
    const { domains, daemon } = await client.state();
    const domain = domains.find((other) => other.name === name);
    if (domain === undefined)
      throw new CliError("failed", `There is no domain ${name} on this host now; nothing had to be put back`);
    if (!domain.managed && domain.changed !== true) return;
    if (daemon.mode === "paused" || daemon.mode === "observing") {
      throw new CliError(
        "failed",
        `${name} cannot be put back: the daemon is ${daemon.mode} and changes nothing. vbal resume, or mode: enforce, lets it`,
      );
    }
    if (end <= Date.now()) {
      throw new CliError(
        "failed",
        `${name} is not as it was found after ${patienceSeconds} s (${domain.cooperation}); vbal explain ${name} says what stands in the way`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
