/** The control socket against clients that mean well and others that do not. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { exampleState } from "../../cli/example_state_suite.ts";
import type { PlanView } from "../../protocol/plan_view.ts";
import type { RequestView, StateView } from "../../protocol/state_view.ts";
import type { ApiTarget } from "./api_target.ts";
import type { ApiServer } from "./serve_api.ts";
import { startApiHere } from "./start_api_here.ts";

const REQUEST_DEADLINE_MS = 200;

let folder: string;
let socket: string;
let server: ApiServer | null = null;
let wasSet: unknown[];
let leaky: StateView | null = null;
let faults: string[];

const STATE = exampleState({ pcpus: 2, domains: [{ name: "web", at: [0, null] }] });
const PLAN: PlanView = { domains: [], moves: [], idlePcpus: [0, 1], notes: [], host: { pcpus: [] } };

const REQUEST: RequestView = {
  id: "r1",
  atMs: 1,
  origin: "administrator",
  exceeded: null,
  node: null,
  fate: "granted",
  vcpu: 3,
  why: "Within its entitlement.",
  answeredAtMs: 2,
  onlineAtMs: null,
};

const target: ApiTarget = {
  view: () => leaky ?? STATE,
  plan: () => PLAN,
  setDomain: (name, fields) => {
    wasSet.push([name, fields]);
    return name === "bad" ? { ok: false, errors: ["first", "second"] } : { ok: true, message: "done" };
  },
  requestVcpu: (name, node) =>
    name === "web"
      ? { ok: true, request: { ...REQUEST, node } }
      : { ok: false, errors: [`There is no domain "${name}". There are: web`] },
  reload: () => ({ ok: true, message: "read again" }),
  setPaused: (paused) => ({ ok: true, message: paused ? "paused" : "resumed" }),
  previewParts: () => ({ ok: false, errors: ["no preview"] }),
  meters: () => ({ usage: [], journalBytes: 0, history: null }),
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "vbal-control-test-"));
  socket = join(folder, "run", "control.sock");
  wasSet = [];
  leaky = null;
  faults = [];
});

afterEach(async () => {
  await server?.close();
  server = null;
  rmSync(folder, { recursive: true, force: true });
  if (faults.length > 0) throw new Error(faults.join("\n"));
});

async function serve(): Promise<void> {
  server = await open();
}

function open(at = socket): Promise<ApiServer> {
  const onFault = (text: string) => void faults.push(text);
  return startApiHere({
    control: { socket: at },
    history: null,
    pageFolder: join(folder, "no page"),
    target,
    version: "1",
    onFault,
    requestDeadlineMs: REQUEST_DEADLINE_MS,
  });
}

function ask(route: string, body?: string, isText = false): Promise<{ status: number; body: unknown }> {
  const [method, path] = route.split(" ") as [string, string];
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath: socket, method, path, headers, agent: false }, (answer) => {
      let text = "";
      answer.on("data", (chunk: Buffer) => {
        text += chunk.toString();
      });
      answer.on("end", () =>
        resolve({ status: answer.statusCode ?? 0, body: isText ? text : (JSON.parse(text) as unknown) }),
      );
    });
    asking.on("error", reject);
    asking.end(body);
  });
}

describe("answers", () => {
  test.each([
    { route: "GET /v1/state", status: 200, body: STATE },
    { route: "GET /v1/state?pretty=1", status: 200, body: STATE },
    { route: "GET /v1/plan", status: 200, body: PLAN },
    { route: "POST /v1/reload", status: 200, body: { message: "read again" } },
    { route: "POST /v1/domains/web", sent: '{"weight":5}', status: 200, body: { message: "done" } },
    { route: "POST /v1/domains/web/requests", sent: "{}", status: 200, body: REQUEST },
    {
      route: "POST /v1/domains/web/requests",
      sent: '{"node":1}',
      status: 200,
      body: { ...REQUEST, node: 1 },
    },
    {
      route: "POST /v1/domains/wen/requests",
      sent: "{}",
      status: 400,
      body: {
        error: { code: "bad-request", message: 'There is no domain "wen". There are: web', advice: "" },
      },
    },
    {
      route: "POST /v1/domains/bad",
      sent: "{}",
      status: 400,
      body: { error: { code: "bad-request", message: "first\nsecond", advice: "" } },
    },
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

test("what does not stand in an answer's schema does not leave, however deep it is", async () => {
  const secret = { secret: "hidden" };
  const [web] = STATE.domains;
  leaky = {
    ...STATE,
    ...secret,
    daemon: { ...STATE.daemon, ...secret },
    domains: [{ ...web!, ...secret, vcpus: web!.vcpus.map((vcpu) => ({ ...vcpu, ...secret })) }],
  } as StateView;
  await serve();
  for (const path of ["/v1/state", "/v1/domains/web", "/metrics"]) {
    expect(JSON.stringify((await ask(`GET ${path}`, undefined, true)).body)).not.toContain("hidden");
  }
  expect(JSON.stringify(leaky)).toContain("hidden");
});

describe("refusals", () => {
  test.each<[route: string, status: number, code: string]>([
    ["GET /v2/state", 404, "no-such-route"],
    ["GET //", 404, "no-such-route"],
    ["DELETE /v1/state", 405, "wrong-method"],
    ["GET /v1/reload", 405, "wrong-method"],
    ["POST /v1/domains/", 404, "no-such-route"],
    ["POST /v1/domains/a/b", 404, "no-such-route"],
    ["POST /v1/domains/%zz", 400, "bad-request"],
    ["GET /v1/domains/nobody", 404, "no-such-domain"],
  ])("%s: %i", async (route, status, code) => {
    await serve();
    const answer = await ask(route, route.startsWith("POST") ? "{}" : undefined);
    expect(answer).toMatchObject({ status, body: { error: { code } } });
    expect(wasSet).toEqual([]);
  });

  test.each(['{"node":-1}', '{"node":1.5}', '{"node":"1"}', '{"node":9999}', '{"nod":1}', "[]", "7"])(
    "a request for a vCPU with %s",
    async (sent) => {
      await serve();
      expect(await ask("POST /v1/domains/web/requests", sent)).toMatchObject({
        status: 400,
        body: { error: { code: "bad-request" } },
      });
    },
  );

  test("where there is no route, the answer names those that are", async () => {
    await serve();
    expect(await ask("GET /v1/stat")).toMatchObject({
      body: { error: { advice: expect.stringContaining("There are GET /v1/state, GET /v1/plan") } },
    });
  });

  test("what is not JSON", async () => {
    await serve();
    expect(await ask("POST /v1/domains/web", "weight=5")).toEqual({
      status: 400,
      body: {
        error: {
          code: "bad-request",
          message: "The request is not JSON",
          advice: 'Send a body such as {"weight": 512}',
        },
      },
    });
  });

  test("a body of a megabyte: it is answered, not kept", async () => {
    await serve();
    expect(await ask("POST /v1/domains/web", "x".repeat(1_000_000))).toEqual({
      status: 413,
      body: {
        error: { code: "too-large", message: "A request may have 65536 bytes", advice: "Send fewer fields" },
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
    await expect(open()).rejects.toThrow(
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
      await expect(open(path)).rejects.toThrow(
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
