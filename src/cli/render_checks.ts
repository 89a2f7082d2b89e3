/** The doctor's findings as lines: what is well in short, what is not with its advice. */
import type { Check } from "../daemon/doctor/check.ts";
import type { Style } from "./style.ts";

export interface ChecksLook {
  readonly style: Style;
  /** In characters. */
  readonly width: number;
}

export function renderChecks(checks: readonly Check[], { style, width }: ChecksLook): string[] {
  const failed = checks.filter(({ ok }) => !ok).length;
  const [good, wrong, hint] = style.unicode ? ["✓", "✗", "→"] : ["ok", "NO", "->"];
  const lines = checks.flatMap(({ ok, found, advice }) => [
    ...wrapped(found, width - INDENT).map((line, at) =>
      at === 0
        ? `${(ok ? style.good(good) : style.bad(wrong)) + " ".repeat(INDENT - good.length)}${line}`
        : " ".repeat(INDENT) + line,
    ),
    ...wrapped(advice, width - 2 * INDENT).map(
      (line, at) =>
        " ".repeat(INDENT) +
        (at === 0 ? hint.padEnd(INDENT) : " ".repeat(INDENT)) +
        (ok ? style.faint(line) : style.warn(line)),
    ),
  ]);
  const sum =
    failed === 0
      ? style.good("Nothing stands in the way.")
      : style.bad(`${failed} of ${checks.length} checks found something to mend.`);
  return [...lines, "", sum];
}

const INDENT = 3;

function wrapped(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ").filter((each) => each !== "")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= Math.max(width, WIDTH_MIN))
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** Narrower than this nothing reads well; the terminal may break the line itself. */
const WIDTH_MIN = 30;
