/** `vbal demo`: two real guests, first under default scheduling, then under vbal, side by side on the screen. */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { integer } from "@optique/core/valueparser";
import { type DemoState, runDemo } from "../lab/demo.ts";
import { CliError } from "./cli_error.ts";
import type { Command } from "./command.ts";
import { EXIT_CODE, type ExitCode } from "./exit_code.ts";
import { packageVersion } from "./package_version.ts";
import { renderDemo, renderDemoLine, renderDemoResult } from "./render_demo.ts";
import { openScreen, type Screen } from "./screen.ts";
import type { Terminal } from "./terminal.ts";

export const demoCommand: Command = command(
  "demo",
  map(
    object({
      for: optional(
        option("--for", integer({ min: 1, metavar: "SECONDS" }), {
          description: message`End by itself so long after the guests are up; without it the demo stays until Ctrl-C.`,
        }),
      ),
    }),
    (options) => async (terminal) => await demo(options.for ?? null, terminal),
  ),
  { brief: message`Show on two real guests what vbal does; npm start runs it.` },
);

async function demo(forSeconds: number | null, terminal: Terminal): Promise<ExitCode> {
  const ending = new AbortController();
  const screen = terminal.isScreen ? openScreen() : null;
  const end = () => ending.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, end);
  const watching = screen === null ? null : watchKeys(screen, end, ending.signal);
  const painter = screen === null ? linePainter(terminal) : screenPainter(screen, terminal);
  let clockStarted = false;
  try {
    const last = await runDemo({
      version: packageVersion(),
      signal: ending.signal,
      log: ({ text }) => {
        if (screen === null) terminal.print(text);
      },
      onState: (state) => {
        if (forSeconds !== null && !clockStarted && state.stage !== "booting") {
          clockStarted = true;
          setTimeout(end, forSeconds * 1000).unref();
        }
        painter(state);
      },
    });
    screen?.close();
    for (const line of renderDemoResult(last)) terminal.print(line);
    return EXIT_CODE.ok;
  } catch (error) {
    screen?.close();
    throw new CliError("failed", error instanceof Error ? error.message : String(error));
  } finally {
    end();
    await watching;
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.off(signal, end);
  }
}

/** Longer waits would make q feel slow; shorter ones would only burn time. */
const KEY_WAIT_MS = 200;

async function watchKeys(screen: Screen, end: () => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) if ((await screen.nextKey(KEY_WAIT_MS)) === "quit") end();
}

function screenPainter(screen: Screen, terminal: Terminal): (state: DemoState) => void {
  return (state) =>
    screen.draw(
      renderDemo(state, {
        width: terminal.columns(),
        height: terminal.rows(),
        style: terminal.style,
        utcOffsetMinutes: terminal.utcOffsetMinutes,
      }),
    );
}

/** After the stages made their point, a line every so many seconds is enough. */
const LINE_EVERY_SECONDS = 5;

function linePainter(terminal: Terminal): (state: DemoState) => void {
  let last = "";
  return (state) => {
    if (state.secondsInStage % LINE_EVERY_SECONDS !== 0) return;
    const line = renderDemoLine(state);
    if (line === last) return;
    last = line;
    terminal.print(line);
  };
}
