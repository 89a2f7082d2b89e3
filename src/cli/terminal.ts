/** What a command sees of the process that runs it; the only place in the commands' reach that touches it. */
import { styleText } from "node:util";
import { PLAIN, type Style } from "./style.ts";

export interface Terminal {
  /** One line or several, without the last line end. */
  readonly print: (text: string) => void;
  readonly printError: (text: string) => void;
  /** Standard output is a screen that a person looks at. */
  readonly isScreen: boolean;
  readonly columns: () => number;
  readonly rows: () => number;
  readonly style: Style;
  /** How far the person's clocks are ahead of UTC. */
  readonly utcOffsetMinutes: number;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** Where nobody says otherwise; also for pipes, so that output does not depend on the window. */
const COLUMNS_DEFAULT = 100;
const ROWS_DEFAULT = 40;

export function processTerminal(): Terminal {
  const { stdout, stderr, env } = process;
  const isScreen = stdout.isTTY === true;
  return {
    print: (text) => void stdout.write(`${text}\n`),
    printError: (text) => void stderr.write(`${text}\n`),
    isScreen,
    columns: () => (isScreen ? stdout.columns || COLUMNS_DEFAULT : Number(env["COLUMNS"]) || COLUMNS_DEFAULT),
    rows: () => (isScreen ? stdout.rows || ROWS_DEFAULT : ROWS_DEFAULT),
    style: wantsColour(isScreen, env)
      ? { ...COLOURED, unicode: hasUnicode(env) }
      : { ...PLAIN, unicode: hasUnicode(env) },
    utcOffsetMinutes: -new Date().getTimezoneOffset(),
    environment: env,
  };
}

/** The conventions of no-color.org and FORCE_COLOR; a pipe gets none. */
function wantsColour(isScreen: boolean, env: Terminal["environment"]): boolean {
  if (env["NO_COLOR"]) return false;
  if (env["FORCE_COLOR"] && env["FORCE_COLOR"] !== "0") return true;
  return isScreen && env["TERM"] !== "dumb";
}

/** The C locale promises ASCII only; everything else today is UTF-8 unless it says otherwise. */
function hasUnicode(env: Terminal["environment"]): boolean {
  const locale = env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"] || "C.UTF-8";
  return /utf-?8/i.test(locale);
}

/** Distinguishable on dark and on light ground, and for most colour-blind people by brightness. */
const DOMAIN_COLOURS = [
  "cyan",
  "yellow",
  "green",
  "magenta",
  "blue",
  "red",
  "cyanBright",
  "yellowBright",
  "greenBright",
  "magentaBright",
] as const;

const COLOURED: Style = {
  title: (text) => styled("bold", text),
  faint: (text) => styled("gray", text),
  good: (text) => styled("green", text),
  warn: (text) => styled("yellow", text),
  bad: (text) => styled("red", text),
  domain: (number, text) => styled(DOMAIN_COLOURS[number % DOMAIN_COLOURS.length]!, text),
  unicode: true,
};

/** Whether to colour was decided above, hence no second look at the stream. */
function styled(format: Parameters<typeof styleText>[0], text: string): string {
  return styleText(format, text, { validateStream: false });
}
