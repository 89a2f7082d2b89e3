import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseCommandLine, RECORD_PATH } from "./command_line.ts";
import { AGENT_NAME } from "./run_agent.ts";

test.each([
  ["--port /dev/vport0p1", { kind: "serve", portPath: "/dev/vport0p1", recordPath: RECORD_PATH }],
  ["--record /tmp/r --port /dev/p", { kind: "serve", portPath: "/dev/p", recordPath: "/tmp/r" }],
  ["--once report", { kind: "report", recordPath: RECORD_PATH }],
  ["--once dance", { kind: "wrong", why: '--once must be followed by "report", not dance' }],
  ["--port", { kind: "wrong", why: "--port must be followed by a path" }],
  ["--bogus", { kind: "wrong", why: "Unknown argument --bogus" }],
  ["--port /dev/p --help", { kind: "help" }],
  ["--version", { kind: "version" }],
])("%s", (line, command) => {
  expect(parseCommandLine(line.split(" "))).toEqual(command);
});

test("no argument at all says what is needed", () => {
  expect(parseCommandLine([])).toMatchObject({ kind: "wrong", why: expect.stringContaining("--port") });
});

test("the agent's version is the package's", () => {
  const path = new URL("../../package.json", import.meta.url);
  const { version } = JSON.parse(readFileSync(path, "utf8")) as { version: string };
  expect(AGENT_NAME).toBe(`vbal-agent ${version}`);
});
