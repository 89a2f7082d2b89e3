/** `vbal top`: the state of the daemon, live. On a screen it takes the whole of it; into a pipe it prints frame after frame. */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, withDefault } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { float, integer } from "@optique/core/valueparser";
import { CliError } from "./cli_error.ts";
import { asciiOption, type Command, jsonOption } from "./command.ts";
import { type ControlClient, connectControl, controlOption } from "./control_client.ts";
import { commandExamples } from "./examples.ts";
import { EXIT_CODE, type ExitCode } from "./exit_code.ts";
import { renderStatus } from "./render_status.ts";
import { renderTop, type TopState } from "./render_top.ts";
import { openScreen } from "./screen.ts";
import type { Style } from "./style.ts";
import type { Terminal } from "./terminal.ts";

/** Faster than a person can read, and slower than a daemon would mind. */
const INTERVAL_SECONDS_MIN = 0.1;
const INTERVAL_SECONDS_MAX = 3600;

export const topCommand: Command = command(
  "top",
  map(
    object({
      interval: withDefault(
        option(
          "--interval",
          float({ min: INTERVAL_SECONDS_MIN, max: INTERVAL_SECONDS_MAX, metavar: "SECONDS" }),
          {
            description: message`How often to look, by default every second.`,
          },
        ),
        1,
      ),
      count: withDefault(
        option("--count", integer({ min: 1, metavar: "N" }), {
          description: message`End after so many looks.`,
        }),
        Number.POSITIVE_INFINITY,
      ),
      control: controlOption(),
      ascii: asciiOption(),
      json: jsonOption(),
    }),
    ({ interval, count, control, ascii, json }) =>
      async (terminal) => {
        const client = connectControl(control, terminal);
        const style = { ...terminal.style, unicode: terminal.style.unicode && !ascii };
        const look: Look = { client, terminal, style, everyMs: interval * 1000, count };
        return terminal.isScreen && !json ? await topOnScreen(look) : await topInLines(look, json);
      },
  ),
  {
    brief: message`Watch who runs where, live: pCPU map, vCPUs, run, wait and steal.`,
    footer: commandExamples(
      ["vbal top", "q quits, arrows scroll, p pauses"],
      ["vbal top --count 1", "one frame"],
      ["vbal top --json --interval 5", "one JSON value per line, every 5 s"],
    ),
  },
);

interface Look {
  readonly client: ControlClient;
  readonly terminal: Terminal;
  readonly style: Style;
  readonly everyMs: number;
  readonly count: number;
}

/** A daemon that is away ends it: a pipe has nobody to wait. */
async function topInLines(
  { client, terminal, style, everyMs, count }: Look,
  json: boolean,
): Promise<ExitCode> {
  const { columns, utcOffsetMinutes } = terminal;
  for (let i = 0; i < count; i++) {
    if (i > 0) await new Promise((resolve) => setTimeout(resolve, everyMs));
    const state = await client.state();
    if (json) terminal.print(JSON.stringify(state));
    else
      terminal.print(
        `${i === 0 ? "" : "\n"}${renderStatus(state, { width: columns(), style, utcOffsetMinutes }).join("\n")}`,
      );
  }
  return EXIT_CODE.ok;
}

/** On a screen a daemon may go and come back; the last state stays, marked as old. */
async function topOnScreen({ client, terminal, style, everyMs, count }: Look): Promise<ExitCode> {
  let top: TopState = { state: await client.state(), problem: null, scroll: 0, isPaused: false };
  const screen = openScreen();
  const draw = (): void => {
    const { utcOffsetMinutes } = terminal;
    screen.draw(
      renderTop(top, { width: terminal.columns(), height: terminal.rows(), style, utcOffsetMinutes }),
    );
  };
  try {
    draw();
    for (let i = 1; i < count; i++) {
      const wake = Date.now() + everyMs;
      for (let left = everyMs; left > 0; left = wake - Date.now()) {
        const key = await screen.nextKey(left);
        if (key === null) continue;
        if (key === "quit") return EXIT_CODE.ok;
        top = react(top, key, terminal.rows());
        draw();
      }
      if (top.isPaused) continue;
      try {
        top = { ...top, state: await client.state(), problem: null };
      } catch (error) {
        if (!(error instanceof CliError)) throw error;
        top = { ...top, problem: error.message };
      }
      draw();
    }
    return EXIT_CODE.ok;
  } finally {
    screen.close();
  }
}

function react(
  top: TopState,
  key: "up" | "down" | "page-up" | "page-down" | "pause" | "resize",
  rows: number,
): TopState {
  const page = Math.max(1, Math.floor(rows / 2));
  const last = Math.max(0, top.state.domains.length - 1);
  const to = (scroll: number): TopState => ({ ...top, scroll: Math.min(Math.max(scroll, 0), last) });
  switch (key) {
    case "up":
      return to(top.scroll - 1);
    case "down":
      return to(top.scroll + 1);
    case "page-up":
      return to(top.scroll - page);
    case "page-down":
      return to(top.scroll + page);
    case "pause":
      return { ...top, isPaused: !top.isPaused };
    case "resize":
      return top;
  }
}
