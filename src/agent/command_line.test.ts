import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ASK_PATH } from "./ask_pipe.ts";
import { parseCommandLine, RECORD_PATH } from "./command_line.ts";
import { MONITOR_CONFIG_PATH } from "./monitor_config.ts";
import { AGENT_NAME } from "./run_agent.ts";

const SERVE = {
  kind: "serve",
  portPath: "/dev/p",
  recordPath: RECORD_PATH,
  askPath: ASK_PATH,
  configPath: MONITOR_CONFIG_PATH,
};
const REQUEST = { kind: "request", json: false, askPath: ASK_PATH, target: null };
const BAD_TARGET = { kind: "wrong", why: expect.stringContaining("must be followed by a number") as string };

test.each([
  ["--port /dev/p", SERVE],
  ["--record /tmp/r --port /dev/p", { ...SERVE, recordPath: "/tmp/r" }],
  ["--port /dev/p --ask /tmp/a --config /tmp/c", { ...SERVE, askPath: "/tmp/a", configPath: "/tmp/c" }],
  ["request", REQUEST],
  ["request --node 1 --json", { ...REQUEST, json: true, target: { kind: "node", id: 1 } }],
  ["request --proximity-domain 0", { ...REQUEST, target: { kind: "proximity-domain", id: 0 } }],
  ["request --node one", BAD_TARGET],
  ["request --node", BAD_TARGET],
  ["request --node 1 --proximity-domain 1", BAD_TARGET],
  ["request --dance", { kind: "wrong", why: "Unknown argument --dance of request" }],
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
