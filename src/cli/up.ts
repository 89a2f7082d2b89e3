/** `vbal up`: the daemon, in the foreground, until a signal ends it. */
import { existsSync } from "node:fs";
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional, withDefault } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { choice } from "@optique/core/valueparser";
import { path } from "@optique/run/valueparser";
import { Daemon, type LogLine } from "../daemon/daemon.ts";
import { structuredLog } from "../daemon/log/structured_log.ts";
import { openHypervisor } from "../daemon/open_hypervisor.ts";
import { keepPlansFast } from "../daemon/tune_v8.ts";
import { DEFAULT_CONFIG, DEFAULT_CONFIG_FILE } from "../protocol/config.ts";
import { CliError } from "./cli_error.ts";
import { type Command, jsonOption } from "./command.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE, type ExitCode } from "./exit_code.ts";
import { packageVersion } from "./package_version.ts";
import { readConfigFile } from "./read_config_file.ts";
import { tellSystemd } from "./tell_systemd.ts";
import type { Terminal } from "./terminal.ts";

export const upCommand: Command = command(
  "up",
  map(
    object({
      config: optional(
        option("--config", "-c", path({ metavar: "FILE" }), {
          description: message`The config file, by default ${DEFAULT_CONFIG_FILE} where that exists.`,
        }),
      ),
      log: withDefault(
        option("--log", choice(["auto", "text", "json"], { metavar: "FORM" }), {
          description: message`The form of the log: lines for people (text), one JSON value per line (json), or by whether it goes to a screen (auto, when absent).`,
        }),
        "auto" as const,
      ),
      json: jsonOption(),
    }),
    ({ config, log, json }) =>
      async (terminal) =>
        await up(config, json || log === "json" || (log === "auto" && !terminal.isScreen), terminal),
  ),
  {
    brief: message`Run the daemon: observe the host, give pCPUs by weight, and follow what changes.`,
    description: message`Reads its config again when the file changes and on SIGHUP. SIGTERM and SIGINT put every domain back as it was found; kill -9 leaves all as it is, and the next start goes on from there.`,
    footer: commandExamples(
      ["vbal up --config examples/vbal.yaml", "with a config file"],
      ["vbal up --log json", "one JSON value per line of the log, as where it goes to no screen"],
    ),
  },
);

async function up(file: string | undefined, json: boolean, terminal: Terminal): Promise<ExitCode> {
  keepPlansFast();
  const configFile = file ?? (existsSync(DEFAULT_CONFIG_FILE) ? DEFAULT_CONFIG_FILE : null);
  const config = configFile === null ? DEFAULT_CONFIG : await readConfigFile(configFile);
  const daemon = startable(() => {
    return new Daemon({
      config,
      configFile,
      ...openHypervisor(config),
      version: packageVersion(),
      log: logTo(terminal, json),
    });
  });
  // Listened for from here on: a signal in the middle of the start must not leave a domain half changed.
  const ended = untilSignal(["SIGTERM", "SIGINT"]);
  const onHangup = () => void daemon.reload();
  process.on("SIGHUP", onHangup);
  try {
    await daemon.start();
  } catch (error) {
    await daemon.kill();
    throw new CliError("failed", messageOf(error));
  }
  const systemd = tellSystemd(daemon);
  await ended;
  process.off("SIGHUP", onHangup);
  systemd.stopping();
  const left = await daemon.stop();
  return left.length === 0 ? EXIT_CODE.ok : EXIT_CODE.failed;
}

function startable(make: () => Daemon): Daemon {
  try {
    return make();
  } catch (error) {
    throw new CliError("failed", messageOf(error));
  }
}

function logTo(terminal: Terminal, json: boolean): (line: LogLine) => void {
  if (json) return structuredLog(terminal.print);
  return ({ level, text }) => {
    if (level === "info") terminal.print(text);
    else
      terminal.printError(
        `${level === "error" ? terminal.style.bad("error:") : terminal.style.warn("warning:")} ${text}`,
      );
  };
}

function untilSignal(signals: readonly NodeJS.Signals[]): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of signals) process.once(signal, () => resolve());
  });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
