/** `vbal demo`: two real guests, first under default scheduling, then under vbal, side by side on the screen. */
import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { map, optional } from "@optique/core/modifiers";
import { command, option } from "@optique/core/primitives";
import { integer } from "@optique/core/valueparser";
import { DEFAULT_STAGE_SECONDS, type DemoState, runDemo } from "../lab/demo.ts";
import { runSimulatedDemo, type SimulatedDemoState } from "../lab/simulated_demo.ts";
import { CliError } from "./cli_error.ts";
import type { Command } from "./command.ts";
import { EXIT_CODE, type ExitCode } from "./exit_code.ts";
import { packageVersion } from "./package_version.ts";
import {
  type DemoLayout,
  renderDemo,
  renderDemoLine,
  renderDemoResult,
  renderSimulatedDemo,
} from "./render_demo.ts";
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
      simulated: option("--simulated", {
        description: message`On a simulated host, for machines without QEMU or without root.`,
      }),
    }),
    (options) => async (terminal) =>
      await demo({ forSeconds: options.for ?? null, simulated: options.simulated }, terminal),
  ),
  { brief: message`Show on two real guests what vbal does; npm start runs it.` },
);

interface DemoChoice {
  readonly forSeconds: number | null;
  readonly simulated: boolean;
}

async function demo({ forSeconds, simulated }: DemoChoice, terminal: Terminal): Promise<ExitCode> {
  const ending = new AbortController();
  const screen = terminal.isScreen ? openScreen() : null;
  const end = () => ending.abort();
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, end);
  const watching = screen === null ? null : watchKeys(screen, end, ending.signal);
  let clockStarted = false;
  const startClock = () => {
    if (forSeconds === null || clockStarted) return;
    clockStarted = true;
    setTimeout(end, forSeconds * 1000).unref();
  };
  const common = {
    version: packageVersion(),
    signal: ending.signal,
    log: ({ text }: { readonly text: string }) => {
      if (screen === null) terminal.print(text);
    },
  };
  try {
    const result = simulated
      ? await runSimulatedDemo({ ...common, onState: simulatedPainter(screen, terminal, startClock) })
      : await runDemo({
          ...common,
          defaultSeconds: defaultSeconds(forSeconds),
          onState: painter(screen, terminal, startClock),
        });
    screen?.close();
    for (const line of result === undefined ? [] : renderDemoResult(result)) terminal.print(line);
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

/** A short demo gives each stage half of its time. */
function defaultSeconds(forSeconds: number | null): number {
  return forSeconds === null ? DEFAULT_STAGE_SECONDS : Math.min(DEFAULT_STAGE_SECONDS, forSeconds / 2);
}

/** Longer waits would make q feel slow; shorter ones would only burn time. */
const KEY_WAIT_MS = 200;

async function watchKeys(screen: Screen, end: () => void, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) if ((await screen.nextKey(KEY_WAIT_MS)) === "quit") end();
}

function painter(
  screen: Screen | null,
  terminal: Terminal,
  startClock: () => void,
): (state: DemoState) => void {
  let told = "";
  return (state) => {
    if (state.stage !== "booting") startClock();
    if (screen !== null) {
      screen.draw(renderDemo(state, layoutOf(terminal)));
      return;
    }
    // Each guest tells its rate at a moment of its own; one line for all of them every so many seconds is enough.
    const moment = `${state.stage} ${Math.floor(state.secondsInStage / LINE_EVERY_SECONDS)}`;
    if (moment !== told) terminal.print(renderDemoLine(state));
    told = moment;
  };
}

const LINE_EVERY_SECONDS = 5;

function simulatedPainter(
  screen: Screen | null,
  terminal: Terminal,
  startClock: () => void,
): (state: SimulatedDemoState) => void {
  const line = linePrinter(terminal);
  return (state) => {
    startClock();
    if (screen !== null) screen.draw(renderSimulatedDemo(state, layoutOf(terminal)));
    else line(`--- ${state.scene}`);
  };
}

function linePrinter({ print }: Terminal): (line: string) => void {
  let last = "";
  return (line) => {
    if (line !== last) print(line);
    last = line;
  };
}

function layoutOf({ columns, rows, style, utcOffsetMinutes }: Terminal): DemoLayout {
  return { width: columns(), height: rows(), style, utcOffsetMinutes };
}
