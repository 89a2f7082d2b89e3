/** `vbal page`: the address of the dashboard, with a token in it. */
import { existsSync, readFileSync } from "node:fs";
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { path } from "@optique/run/valueparser";
import type { TcpConfig } from "../protocol/api_config.ts";
import { DEFAULT_CONFIG, DEFAULT_CONFIG_FILE } from "../protocol/config.ts";
import { CliError } from "./cli_error.ts";
import { type Command, jsonOption } from "./command.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE } from "./exit_code.ts";
import { readConfigFile } from "./read_config_file.ts";
import { renderJson } from "./render_json.ts";

export const pageCommand: Command = command(
  "page",
  map(
    object({
      config: optional(
        option("--config", "-c", path({ metavar: "FILE" }), {
          description: message`The daemon's config file, by default ${DEFAULT_CONFIG_FILE}.`,
        }),
      ),
      readOnly: option("--read-only", { description: message`With the token that may only look.` }),
      json: jsonOption(),
    }),
    ({ config, readOnly, json }) =>
      async (terminal) => {
        const file = config ?? DEFAULT_CONFIG_FILE;
        const { tcp } =
          existsSync(file) || config !== undefined
            ? (await readConfigFile(file)).control
            : DEFAULT_CONFIG.control;
        if (tcp === undefined) throw new CliError("failed", howToOpen(file));
        const address = addressOf(tcp, tokenIn(tcp, readOnly));
        terminal.print(json ? renderJson({ address }, terminal) : address);
        return EXIT_CODE.ok;
      },
  ),
  {
    brief: message`Print the address of the dashboard, with a token in it.`,
    footer: commandExamples(
      ['xdg-open "$(vbal page)"', "open it here"],
      ["ssh -L 4780:127.0.0.1:4780 HOST vbal page", "or from another machine, through ssh"],
    ),
  },
);

function howToOpen(file: string): string {
  return [
    `The page needs a TCP door, and ${file} opens none. Make a token and a door:`,
    "  (umask 077; openssl rand -hex 24 > /etc/vbal/write.token)",
    "  control: { tcp: { address: 127.0.0.1, port: 4780, tokens: { write: /etc/vbal/write.token } } }",
    "and start the daemon anew. Or, without a door, through ssh: ssh -L 8470:/run/vbal/control.sock root@HOST, then http://localhost:8470/",
  ].join("\n");
}

/** Behind the #, where no browser sends it to a server. */
function addressOf({ address, port, tls }: TcpConfig, token: string): string {
  const host = address.includes(":") ? `[${address}]` : address;
  return `${tls === null ? "http" : "https"}://${host}:${port}/#token=${token}`;
}

function tokenIn({ tokens }: TcpConfig, readOnly: boolean): string {
  const file = readOnly ? tokens.read : (tokens.write ?? tokens.read);
  if (file === null)
    throw new CliError(
      "failed",
      `There is no token for that: set control.tcp.tokens.${readOnly ? "read" : "write"}`,
    );
  try {
    const token = readFileSync(file, "utf8")
      .split("\n")
      .map((line) => line.trim())
      .find((line) => line !== "");
    if (token !== undefined) return token;
  } catch (error) {
    throw new CliError(
      "badFile",
      `Cannot read the token in ${file}: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  throw new CliError(
    "badFile",
    `There is no token in ${file}; make one: (umask 077; openssl rand -hex 24 > ${file})`,
  );
}
