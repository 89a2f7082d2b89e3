import { expect, test } from "vitest";
import { createLineSplitter } from "./line_socket.ts";

test.each<[string, string[], string[]]>([
  ["lines in one piece", ["a\nb\n"], ["a", "b"]],
  ["a line in many pieces", ["a", "b", "c\n"], ["abc"]],
  ["a character cut in two", ["\u00c3", "\u00a9\n"], ["é"]],
  ["a line that is too long is left out, the next is not", ["123456789", "0123\nok\n"], ["(oversize)", "ok"]],
  ["a line that is just short enough", ["12345678\n"], ["12345678"]],
  ["no end, no line", ["abc"], []],
])("the line splitter: %s", (_, chunks, expected) => {
  const got: string[] = [];
  const split = createLineSplitter({
    lineBytesMax: 8,
    onLine: (line) => got.push(line),
    onOversize: () => got.push("(oversize)"),
  });
  for (const chunk of chunks) split(Buffer.from(chunk, "latin1"));
  expect(got).toEqual(expected);
});
