import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createRawServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CliError } from "./cli_error.ts";
import { type ControlClient, connectControl } from "./control_client.ts";
import { exampleState } from "./example_state_suite.ts";

const STATE = exampleState({ pcpus: 2, domains: [{ name: "web", at: [0, null] }] });

let folder: string;
let socket: string;
const open: { close(): unknown; closeAllConnections?(): void }[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vbal-control-"));
  socket = join(folder, "control.sock");
});

afterEach(() => {
  for (const server of open.splice(0)) {
    server.closeAllConnections?.();
    server.close();
  }
  rmSync(folder, { recursive: true });
});

type Answer = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** A daemon that answers so. */
async function serve(answer: Answer): Promise<void> {
  const server: Server = createServer((request, response) => {
    let body = "";
    request.on("data", (part: Buffer) => {
      body += part.toString("utf8");
    });
    request.on("end", () => answer(request, response, body));
  });
  open.push(server);
  await new Promise<void>((resolve) => server.listen(socket, resolve));
}

function check(deadlineMs?: number): ControlClient {
  return connectControl(socket, { environment: {} }, deadlineMs);
}

/** How a call fails. */
async function failure(call: Promise<unknown>): Promise<[kind: string, message: string]> {
  const error = await call.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof CliError)) throw new Error(`Expected a CliError, not ${String(error)}`);
  return [error.kind, error.message.replaceAll(socket, "SOCKET")];
}

describe("a daemon that answers", () => {
  test("gives its state", async () => {
    await serve((_request, response) => response.end(JSON.stringify(STATE)));
    expect(await check().state()).toEqual(STATE);
  });

  test("is sent a change and gives back a sentence", async () => {
    const seen: unknown[] = [];
    await serve((request, response, body) => {
      seen.push([request.method, request.url, JSON.parse(body)]);
      response.end(JSON.stringify({ message: "web now has weight 512" }));
    });
    expect(await check().set("größe 1", { weight: 512 })).toBe("web now has weight 512");
    expect(await check().reload()).toBe("web now has weight 512");
    expect(seen).toEqual([
      ["POST", "/v1/domains/gr%C3%B6%C3%9Fe%201", { weight: 512 }],
      ["POST", "/v1/reload", {}],
    ]);
  });

  test.each<[why: string, answer: Answer, expected: [kind: string, message: string | RegExp]]>([
    [
      "refuses with a reason",
      (_request, response) =>
        response.writeHead(404).end('{"error":{"message":"There is no domain \\"x\\""}}'),
      ["failed", 'There is no domain "x"'],
    ],
    [
      "refuses without one",
      (_request, response) => response.writeHead(500).end("{}"),
      ["failed", "The daemon refused with status 500: {}"],
    ],
    [
      "is some other server",
      (_request, response) => response.end("<html>"),
      [
        "failed",
        "SOCKET is not the control socket of a vbal daemon: it does not answer in JSON. Check --control",
      ],
    ],
    [
      "is of another version",
      (_request, response) => response.end(JSON.stringify({ ...STATE, version: 2 })),
      ["failed", /speaks otherwise than this vbal \(version: .*\)\. Use the same version of both/],
    ],
    [
      "says nothing",
      () => undefined,
      [
        "noDaemon",
        "The daemon at SOCKET did not answer within 0.05 s. Look at its log; it may be stopped or overloaded",
      ],
    ],
    [
      "hangs up half-way",
      (_request, response) => {
        response.writeHead(200, { "content-length": 1000 }).write("{");
        setImmediate(() => response.destroy());
      },
      ["noDaemon", /^The daemon at SOCKET cannot be reached: .*Look at its log$/],
    ],
  ])("but %s", async (why, answer, [kind, message]) => {
    await serve(answer);
    const failed = await failure(check(why === "says nothing" ? 50 : undefined).state());
    expect(failed).toEqual([kind, expect.stringMatching(message)]);
  });
});

describe("no daemon", () => {
  test("at all", async () => {
    expect(await failure(check().state())).toEqual([
      "noDaemon",
      "No daemon is running: there is no socket SOCKET. Start one with `vbal up`, or name its socket with --control",
    ]);
  });

  test("but a file", async () => {
    writeFileSync(socket, "");
    const [kind, message] = await failure(check().state());
    expect([kind, message]).toEqual(["noDaemon", expect.stringMatching(/SOCKET/)]);
  });

  test("but something that speaks no HTTP", async () => {
    const server = createRawServer((connection) => connection.end("QMP ready\r\n"));
    open.push(server);
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    expect((await failure(check().state()))[1]).toMatch(/speaks no HTTP\. Check --control/);
  });

  test("where VBAL_CONTROL points", () => {
    expect(connectControl(undefined, { environment: { VBAL_CONTROL: "/x" } }).socket).toBe("/x");
    expect(connectControl(undefined, { environment: { VBAL_CONTROL: "" } }).socket).toBe(
      "/run/vbal/control.sock",
    );
    expect(connectControl("/y", { environment: { VBAL_CONTROL: "/x" } }).socket).toBe("/y");
  });
});
