import { expect, test } from "vitest";
import type { LogLine } from "../daemon.ts";
import { structuredLog } from "./structured_log.ts";

test.each<[line: LogLine, written: object]>([
  [
    { level: "info", text: "web arrived" },
    { level: "info", atMs: 7, text: "web arrived" },
  ],
  [
    { level: "warning", text: "web is silent", code: "guest-silent", domain: "web" },
    { level: "warning", atMs: 7, code: "guest-silent", domain: "web", text: "web is silent" },
  ],
  [
    { level: "error", text: 'a\nb"c', code: "x", domain: null },
    { level: "error", atMs: 7, code: "x", text: 'a\nb"c' },
  ],
])("%j", (line, written) => {
  const lines: string[] = [];
  structuredLog(
    (text) => lines.push(text),
    () => 7,
  )(line);
  expect(lines.map((text) => JSON.parse(text) as unknown)).toEqual([written]);
  expect(lines[0]).not.toContain("\n");
});
