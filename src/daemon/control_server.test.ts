/** The control socket against clients that mean well and others that do not. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type ControlServer, type ControlTarget, serveControl } from "./control_server.ts";

const REQUEST_DEADLINE_MS = 200;

let folder: string;
let socket: string;
let server: ControlServer | null = null;
let wasSet: unknown[];

const target: ControlTarget = {
  state: () => ({ revision: 3 }),
  plan: () => ({ domains: [] }),
  setDomain: (name, fields) => {
    wasSet.push([name, fields]);
    return name === "bad" ? { ok: false, errors: ["first", "second"] } : { ok: true, message: "done" };
  },
  reload: () => ({ ok: true, message: "read again" }),
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vbal-control-test-"));
  socket = join(folder, "run", "control.sock");
  wasSet = [];
});

afterEach(async () => {
  await server?.close();
  server = null;
  rmSync(folder, { recursive: true, force: true });
});

async function serve(): Promise<void> {
  server = await serveControl(socket, target, REQUEST_DEADLINE_MS);
}

function ask(route: string, body?: string): Promise<{ status: number; body: unknown }> {
  const [method, path] = route.split(" ") as [string, string];
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath: socket, method, path, agent: false }, (answer) => {
      let text = "";
      answer.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body: JSON.parse(text) as unknown }));
    });
    asking.on("error", reject);
    asking.end(body);
  });
}

describe("answers", () => {
  test.each([
    { route: "GET /v1/state", status: 200, body: { revision: 3 } },
    { route: "GET /v1/state?pretty=1", status: 200, body: { revision: 3 } },
    { route: "GET /v1/plan", status: 200, body: { domains: [] } },
    { route: "POST /v1/reload", status: 200, body: { message: "read again" } },
    { route: "POST /v1/domains/web", sent: '{"weight":5}', status: 200, body: { message: "done" } },
    { route: "POST /v1/domains/bad", sent: "{}", status: 400, body: { error: { message: "first\nsecond" } } },
  ])("$route", async ({ route, sent, status, body }) => {
    await serve();
    expect(await ask(route, sent)).toEqual({ status, body });
  });

  test("a name may hold anything when it is written in percent signs", async () => {
    await serve();
    await ask("POST /v1/domains/a%2Fb%20c", "{}");
    expect(wasSet).toEqual([["a/b c", {}]]);
  });
});

describe("refusals", () => {
  test.each([
    "GET /",
    "GET //",
    "DELETE /v1/state",
    "POST /v1/domains/",
    "POST /v1/domains/a/b",
    "POST /v1/domains/%zz",
  ])("%s is no route, and the answer names those that are", async (route) => {
    await serve();
    const { status, body } = await ask(route, "{}");
    expect({ status, body }).toEqual({
      status: 404,
      body: { error: { message: expect.stringContaining("there are GET /v1/state, GET /v1/plan") } },
    });
    expect(wasSet).toEqual([]);
  });

  test("what is not JSON", async () => {
    await serve();
    expect(await ask("POST /v1/domains/web", "weight=5")).toMatchObject({
      status: 400,
      body: {
        error: { message: expect.stringMatching(/^The request is not JSON .*; send \{"weight": 512\}$/) },
      },
    });
  });

  test("a body of a megabyte: it is answered, not kept", async () => {
    await serve();
    expect(await ask("POST /v1/domains/web", "x".repeat(1_000_000))).toEqual({
      status: 400,
      body: {
        error: { message: "The request has 1000000 bytes, and at most 65536 are taken; send fewer fields" },
      },
    });
    expect(wasSet).toEqual([]);
  });

  test("a client that sends its request slowly is cut off, and others are served meanwhile", async () => {
    await serve();
    const slow = connect(socket);
    slow.on("error", () => undefined);
    slow.write("POST /v1/domains/web HTTP/1.1\r\ncontent-length: 10\r\n");
    const cutOff = new Promise<void>((resolve) => slow.on("close", () => resolve()));
    slow.resume();
    expect((await ask("GET /v1/state")).status).toBe(200);
    await cutOff;
    expect(wasSet).toEqual([]);
  });
});

describe("the socket", () => {
  test("belongs to its owner alone", async () => {
    await serve();
    expect(statSync(socket).mode & 0o777).toBe(0o600);
  });

  test("is gone after the end", async () => {
    await serve();
    await server?.close();
    expect(existsSync(socket)).toBe(false);
  });

  test("a second daemon is refused, and the first goes on", async () => {
    await serve();
    await expect(serveControl(socket, target)).rejects.toThrow(
      `Another vbal daemon answers on ${socket}; stop it first, or set control.socket to another path`,
    );
    expect((await ask("GET /v1/state")).status).toBe(200);
  });

  test("one left by a daemon that was killed is replaced", async () => {
    await serve();
    await server?.close();
    await leaveSocketBehind();
    await serve();
    expect((await ask("GET /v1/state")).status).toBe(200);
  });

  test("a file of another kind in its place is not touched", async () => {
    socket = join(folder, "precious");
    writeFileSync(socket, "data");
    await expect(serve()).rejects.toThrow(
      /there is a file of another kind in its place; check control\.socket/,
    );
    expect(statSync(socket).size).toBe(4);
  });

  test.each(["/dev/null/control.sock", `/tmp/${"x".repeat(120)}`])(
    "a path that cannot be: %s",
    async (path) => {
      await expect(serveControl(path, target)).rejects.toThrow(
        /^Cannot listen on .*; check control\.socket and its folder's rights$/,
      );
    },
  );
});

/** As kill -9 leaves it. */
async function leaveSocketBehind(): Promise<void> {
  const script = `require("node:net").createServer().listen(process.argv[1], () => console.log("up"))`;
  const child: ChildProcess = spawn(process.execPath, ["-e", script, socket], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await new Promise((up) => child.stdout?.once("data", up));
  const over = new Promise((end) => child.once("close", end));
  child.kill("SIGKILL");
  await over;
}
