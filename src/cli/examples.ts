/** The examples in a help text: each a command line and what it is for. */
import { lineBreak, type Message, text } from "@optique/core/message";

export type Example = readonly [line: string, what: string];

export function examples(...list: readonly Example[]): Message {
  return linesOf(list, "");
}

/** The same with a title, for the footer of a command's help, which has none. */
export function commandExamples(...list: readonly Example[]): Message {
  return [text("Examples:"), lineBreak(), ...linesOf(list, "  ")];
}

function linesOf(list: readonly Example[], indent: string): Message {
  const width = Math.max(...list.map(([line]) => line.length));
  return list.flatMap(([line, what], i) => [
    ...(i === 0 ? [] : [lineBreak()]),
    text(`${indent}${line.padEnd(width)}  ${what}`),
  ]);
}
