/** The whole screen of a terminal, with its keys; `close` and every way out of the program give it back as it was. */
import { emitKeypressEvents, type Key } from "node:readline";

export type ScreenKey = "quit" | "up" | "down" | "page-up" | "page-down" | "pause" | "resize";

export interface Screen {
  draw(lines: readonly string[]): void;
  /** The next key that means something, or null after so long. */
  nextKey(waitMs: number): Promise<ScreenKey | null>;
  close(): void;
}

const ESC = "\u001b[";
const ENTER = `${ESC}?1049h${ESC}?25l`;
const LEAVE = `${ESC}?25h${ESC}?1049l`;

/** Typing ahead further than this is not kept. */
const KEYS_WAITING_MAX = 32;

export function openScreen(): Screen {
  const { stdin, stdout } = process;
  const waiting: ScreenKey[] = [];
  let wake: (() => void) | null = null;
  const push = (key: ScreenKey): void => {
    if (waiting.length < KEYS_WAITING_MAX) waiting.push(key);
    wake?.();
  };
  const onKeypress = (_text: string | undefined, key: Key): void => {
    const meant = meaningOf(key);
    if (meant !== null) push(meant);
  };
  const onResize = (): void => push("resize");
  const onSignal = (): void => push("quit");
  const giveBack = (): void => void stdout.write(LEAVE);

  emitKeypressEvents(stdin);
  if (stdin.isTTY) stdin.setRawMode(true);
  stdin.on("keypress", onKeypress).resume();
  stdout.on("resize", onResize);
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, onSignal);
  process.on("exit", giveBack);
  stdout.write(ENTER);

  return {
    draw(lines) {
      // Each line clears only what it does not cover, so that nothing flickers.
      stdout.write(`${ESC}H${lines.map((line) => `${line}${ESC}K`).join("\r\n")}${ESC}J`);
    },
    async nextKey(waitMs) {
      if (waiting.length === 0) {
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, waitMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
        wake = null;
      }
      return waiting.shift() ?? null;
    },
    close() {
      stdin.off("keypress", onKeypress).pause();
      if (stdin.isTTY) stdin.setRawMode(false);
      stdout.off("resize", onResize);
      for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.off(signal, onSignal);
      process.off("exit", giveBack);
      giveBack();
    },
  };
}

function meaningOf(key: Key): ScreenKey | null {
  if (key.name === "q" || key.name === "escape" || (key.ctrl === true && key.name === "c")) return "quit";
  switch (key.name) {
    case "up":
    case "k":
      return "up";
    case "down":
    case "j":
      return "down";
    case "pageup":
      return "page-up";
    case "pagedown":
      return "page-down";
    case "p":
    case "space":
      return "pause";
    default:
      return null;
  }
}
