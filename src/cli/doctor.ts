/** `vbal doctor`: is this host fit for vbal, does anything work against it, and how are the guests? */
import { existsSync } from "node:fs";
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { path } from "@optique/run/valueparser";
import { bad, type Check, fine } from "../daemon/doctor/check.ts";
import { configChecks } from "../daemon/doctor/config_checks.ts";
import { guestChecks } from "../daemon/doctor/guest_checks.ts";
import { hostChecks } from "../daemon/doctor/host_checks.ts";
import { readHostFacts } from "../daemon/doctor/host_facts.ts";
import { type Config, DEFAULT_CONFIG, DEFAULT_CONFIG_FILE } from "../protocol/config.ts";
import { renderFault } from "../protocol/fault.ts";
import { CliError } from "./cli_error.ts";
import { asciiOption, type Command, jsonOption } from "./command.ts";
import { type ControlClient, connectControl, controlOption } from "./control_client.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { readConfigFile } from "./read_config_file.ts";
import { renderChecks } from "./render_checks.ts";
import { renderJson } from "./render_json.ts";

export const doctorCommand: Command = command(
  "doctor",
  map(
    object({
      config: optional(
        option("--config", path({ metavar: "FILE" }), {
          description: message`The daemon's config file, by default ${DEFAULT_CONFIG_FILE} where it exists.`,
        }),
      ),
      control: controlOption(),
      ascii: asciiOption(),
      json: jsonOption(),
    }),
    ({ config, control, ascii, json }) =>
      async (terminal) => {
        const read = await checkConfigFile(config);
        const socket =
          control ??
          (read.config?.control.socket === DEFAULT_CONFIG.control.socket
            ? undefined
            : read.config?.control.socket);
        const checks = [
          ...hostChecks(readHostFacts()),
          read.check,
          ...(read.config === null ? [] : configChecks(read.config)),
          ...(await checkDaemon(connectControl(socket, terminal))),
        ];
        const style = { ...terminal.style, unicode: terminal.style.unicode && !ascii };
        const lines = renderChecks(checks, { style, width: terminal.columns() });
        terminal.print(json ? renderJson({ checks }, terminal) : lines.join("\n"));
        return checks.every(({ ok }) => ok) ? EXIT_CODE.ok : EXIT_CODE.failed;
      },
  ),
  {
    brief: message`Check this host and its guests, and say what to do about what is found.`,
    footer: commandExamples(
      ["vbal doctor", "before the first start, and when something is odd"],
      [
        "vbal doctor --json | jq '.checks[] | select(.ok | not)'",
        "what fails, for a script; exit code 1 when anything does",
      ],
    ),
  },
);

async function checkConfigFile(named: string | undefined): Promise<{ check: Check; config: Config | null }> {
  const file = named ?? DEFAULT_CONFIG_FILE;
  if (named === undefined && !existsSync(file)) {
    const found = `There is no ${file}: every domain has the same weight, and nothing is set otherwise`;
    return { check: fine("config", found), config: DEFAULT_CONFIG };
  }
  try {
    return { config: await readConfigFile(file), check: fine("config", `${file} is right`) };
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    const found = error.faults.length > 0 ? error.faults.map(renderFault).join("; ") : error.message;
    return {
      config: null,
      check: bad("config", found, "Mend the file; the daemon keeps the last version that was right"),
    };
  }
}

async function checkDaemon(client: ControlClient): Promise<readonly Check[]> {
  try {
    const state = await client.state();
    const { pid, version, uptimeMs } = state.daemon;
    const up = `The daemon runs (pid ${pid}, version ${version}, up ${Math.floor(uptimeMs / MS_PER_SECOND)} s)`;
    const problems = state.problems.map(({ message: text, domain }, index) =>
      bad(
        `problem.${index + 1}`,
        domain === null ? text : `${domain}: ${text}`,
        "The daemon says so itself; the sentence says what to do",
      ),
    );
    return [fine("daemon", up), ...problems, ...guestChecks(state)];
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    return [fine("daemon", error.message, "Guests are looked at when the daemon runs: vbal up")];
  }
}

const MS_PER_SECOND = 1_000;
