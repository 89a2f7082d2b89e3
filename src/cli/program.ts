/** The command line as a whole: the choice of a command, help, version, completions, and how errors are told. */
import { or } from "@optique/core/constructs";
import { lineBreak, message } from "@optique/core/message";
import type { Parser } from "@optique/core/parser";
import { runSync } from "@optique/run/run";
import { keepSmall } from "../daemon/tune_v8.ts";
import { renderFault } from "../protocol/fault.ts";
import { CliError, type ErrorJson } from "./cli_error.ts";
import type { Deed } from "./command.ts";
import { examples } from "./examples.ts";
import { EXIT_CODE, type ExitCode } from "./exit_code.ts";
import { renderJson } from "./render_json.ts";
import type { Terminal } from "./terminal.ts";
import { usageError } from "./usage_error.ts";

/**
 * All commands, or those of whoever runs a host when the line begins with one of them: a daemon that runs for months
 * need not carry the simulator and the lab.
 */
async function commandsFor(args: readonly string[]): Promise<Parser<"sync", Deed>> {
  if (args[0] === "up") {
    keepSmall();
    return (await import("./up.ts")).upCommand;
  }
  const { operatingCommands } = await import("./operating_commands.ts");
  if (OPERATING.has(args[0] ?? "")) return operatingCommands;
  const { studyingCommands } = await import("./studying_commands.ts");
  return or(operatingCommands, studyingCommands);
}

/** Those that stay up, or that scripts call often. A test holds that they are commands. */
export const OPERATING: ReadonlySet<string> = new Set(["up", "status", "top", "explain", "set", "request"]);

/** Runs one command line to its end; never rejects for what a person can put right. */
export async function runProgram(
  args: readonly string[],
  version: string,
  terminal: Terminal,
): Promise<ExitCode> {
  const json = args.includes("--json");
  try {
    const commands = await commandsFor(args);
    return await parse({ args, version, terminal, commands })(terminal);
  } catch (error) {
    if (error instanceof Finished) return error.exitCode;
    if (!(error instanceof CliError)) throw error;
    tell(error, json, terminal);
    return EXIT_CODE[error.kind];
  }
}

/** Help and version end the program without a deed. */
class Finished extends Error {
  readonly exitCode: ExitCode;
  constructor(exitCode: ExitCode) {
    super("finished");
    this.exitCode = exitCode;
  }
}

interface CommandLine {
  readonly args: readonly string[];
  readonly version: string;
  readonly terminal: Terminal;
  readonly commands: Parser<"sync", Deed>;
}

function parse({ args, version, terminal, commands }: CommandLine): Deed {
  const complaints: string[] = [];
  // Without a word, the program says what it can do; that is still no success for a script.
  const isBare = args.length === 0;
  return runSync(commands, {
    programName: "vbal",
    args: isBare ? ["--help"] : args,
    brief: message`Weights become pCPUs, vCPUs follow.`,
    examples: examples(
      ["vbal plan --from examples/paper-12pcpu.yaml", "try it without a host"],
      ["vbal up --config /etc/vbal/vbal.yaml", "run the daemon"],
      ["vbal top", "watch who runs where"],
    ),
    footer: [
      ...message`Exit codes: 0 ok, 1 failed, 2 wrong command line, 3 no daemon, 4 wrong or unreadable file.`,
      lineBreak(),
      ...message`Colours end up on screens only, and not where NO_COLOR is set.`,
    ],
    help: "both",
    version: { value: version, option: true },
    completion: "command",
    aboveError: "none",
    colors: terminal.style.title("x") !== "x",
    maxWidth: Math.max(terminal.columns(), WIDTH_MIN),
    stdout: isBare ? terminal.printError : terminal.print,
    stderr: (text) => void complaints.push(text),
    onExit: (code) => {
      if (complaints.length > 0) throw usageError(complaints.join("\n"), args, commands);
      throw new Finished(code === 0 && !isBare ? EXIT_CODE.ok : EXIT_CODE.usage);
    },
  });
}

/** Help is not laid out narrower than this. */
const WIDTH_MIN = 60;

function tell({ kind, message, faults }: CliError, json: boolean, terminal: Terminal): void {
  const told: ErrorJson = { error: { kind, exitCode: EXIT_CODE[kind], message, faults } };
  if (json) terminal.print(renderJson(told, terminal));
  // Faults begin with file:line:column, so that editors can jump to them.
  else if (faults.length > 0) terminal.printError(faults.map(renderFault).join("\n"));
  else terminal.printError(`${terminal.style.bad("vbal:")} ${message}`);
}
