/** The API against those who mean harm, on both of its doors. */
import type { Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  type Answered,
  type Asked,
  type DaemonApi,
  openDaemonApi,
  READ_TOKEN,
  WRITE_TOKEN,
} from "./daemon_api_suite.ts";

let api: DaemonApi;

beforeAll(async () => {
  api = await openDaemonApi();
});

afterAll(async () => {
  await api.close();
  const faults = api.log.filter((text) => text.includes("Internal fault"));
  if (faults.length > 0) throw new Error(faults.join("\n"));
});

/** The request is refused with this code, nothing is written, and the API answers others as before. */
async function check(asked: Asked, status: number, code: string): Promise<Answered> {
  const before = JSON.stringify(api.overrides());
  const answer = await api.ask(asked);
  expect([answer.status, (answer.json as { error: { code: string } }).error.code]).toEqual([status, code]);
  expect(JSON.stringify(api.overrides())).toBe(before);
  expect((await api.ask({ path: "/v1/plan" })).status).toBe(200);
  return answer;
}

const SET = { method: "POST", path: "/v1/domains/web", body: { weight: 9 } } as const;

describe("who may do what over TCP", () => {
  test.each<[why: string, asked: Asked, status: number, code: string]>([
    ["no token", { path: "/v1/state", token: null }, 401, "wrong-token"],
    ["no token for a write", { ...SET, token: null }, 401, "wrong-token"],
    ["a wrong token", { path: "/v1/state", token: `${READ_TOKEN}x` }, 401, "wrong-token"],
    ["half a token", { ...SET, token: WRITE_TOKEN.slice(0, 12) }, 401, "wrong-token"],
    ["an empty token", { ...SET, token: "" }, 401, "wrong-token"],
    ["both tokens in one", { ...SET, token: `${READ_TOKEN},${WRITE_TOKEN}` }, 401, "wrong-token"],
    ["a reader who writes", { ...SET, token: READ_TOKEN }, 403, "not-allowed"],
    ["a reader who reloads", { method: "POST", path: "/v1/reload", token: READ_TOKEN }, 403, "not-allowed"],
    ["metrics without a token", { path: "/metrics", token: null }, 401, "wrong-token"],
    ["events without a token", { path: "/v1/events", token: null }, 401, "wrong-token"],
    ["a token in the query", { path: `/v1/state?token=${WRITE_TOKEN}`, token: null }, 401, "wrong-token"],
    [
      "Basic in place of Bearer",
      { path: "/v1/state", token: null, headers: { authorization: `Basic ${WRITE_TOKEN}` } },
      401,
      "wrong-token",
    ],
  ])("%s", async (_, asked, status, code) => {
    const { headers } = await check(asked, status, code);
    expect(headers["content-type"]).toBe("application/json");
  });

  test.each([
    [READ_TOKEN, { path: "/v1/state" }],
    [WRITE_TOKEN, { path: "/v1/state" }],
    [READ_TOKEN, { method: "POST", path: "/v1/preview", body: { domains: { web: { weight: 9 } } } }],
    [WRITE_TOKEN, { method: "POST", path: "/v1/domains/web", body: { weight: 256 } }],
  ])("with the right token: %s", async (token, asked) => {
    expect((await api.ask({ ...asked, token })).status).toBe(200);
  });
});

describe("other sites, in the browser of whoever administers this host", () => {
  test.each<[why: string, headers: Record<string, string>]>([
    ["another origin", { origin: "https://evil.example" }],
    ["no origin at all, as from a sandbox", { origin: "null" }],
    ["a name that resolves here", { host: "evil.example" }],
    ["the same name on another port", { origin: "http://localhost:1" }],
    ["what the browser calls cross-site", { "sec-fetch-site": "cross-site" }],
    ["what it calls same-site", { "sec-fetch-site": "same-site" }],
  ])("%s", async (_, headers) => {
    for (const token of [undefined, WRITE_TOKEN]) {
      const door = token === undefined ? {} : { token };
      const refused = await check({ ...SET, ...door, headers }, 403, "cross-site");
      expect(refused.headers["access-control-allow-origin"]).toBeUndefined();
      await check({ path: "/v1/state", ...door, headers }, 403, "cross-site");
    }
  });

  test("a question whether another site may: no", async () => {
    const answer = await check(
      { method: "OPTIONS", path: "/v1/domains/web", headers: { "access-control-request-method": "POST" } },
      405,
      "wrong-method",
    );
    expect(Object.keys(answer.headers).filter((name) => name.startsWith("access-control"))).toEqual([]);
  });

  test("a form of another page has no right content type", async () => {
    const answer = await check(
      { ...SET, body: '{"weight":9}', headers: { "content-type": "text/plain" } },
      415,
      "not-json",
    );
    expect(answer.headers["content-type"]).toBe("application/json");
  });

  test("the daemon's own page may", async () => {
    const headers = { host: "localhost", origin: "http://localhost", "sec-fetch-site": "same-origin" };
    expect((await api.ask({ path: "/v1/state", headers })).status).toBe(200);
  });

  test("every answer forbids frames, foreign scripts and guesses", async () => {
    for (const path of ["/", "/v1/state", "/nowhere"]) {
      expect((await api.ask({ path })).headers).toMatchObject({
        "content-security-policy": expect.stringContaining("default-src 'none'"),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
      });
    }
  });
});

describe("paths, methods and bodies", () => {
  test.each([
    "/../../etc/passwd",
    "/..%2f..%2fetc%2fpasswd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/page.js/../../journal.jsonl",
    "/v1/../../overrides.json",
    "//etc/passwd",
    "/\u0000",
    "/v1/state/",
    "/V1/STATE",
  ])("%j leads nowhere", async (path) => {
    const answer = await rawly(
      "socket",
      `GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 40[04] /);
    expect(answer).not.toMatch(/root:/);
  });

  test.each<[why: string, asked: Asked, status: number, code: string]>([
    ["a method over a read", { method: "POST", path: "/v1/state", body: {} }, 405, "wrong-method"],
    ["a write by GET", { path: "/v1/reload" }, 405, "wrong-method"],
    ["a write by DELETE", { method: "DELETE", path: "/v1/domains/web" }, 405, "wrong-method"],
    [
      "a method in a header",
      { path: "/v1/reload", headers: { "x-http-method-override": "POST" } },
      405,
      "wrong-method",
    ],
    ["TRACE", { method: "TRACE", path: "/v1/state" }, 405, "wrong-method"],
    ["a body too large", { ...SET, body: { weight: 9, x: "x".repeat(70_000) } }, 413, "too-large"],
    [
      "a deep body",
      { ...SET, body: `${'{"vcpus":'.repeat(5_000)}1${"}".repeat(5_000)}` },
      400,
      "bad-request",
    ],
    ["a list", { ...SET, body: "[]" }, 400, "bad-request"],
    ["nothing", { ...SET, body: "" }, 400, "bad-request"],
    ["a name too long", { ...SET, path: `/v1/domains/${"x".repeat(300)}` }, 400, "bad-request"],
  ])("%s", async (_, asked, status, code) => {
    const { headers } = await check(asked, status, code);
    expect(headers["content-type"]).toBe("application/json");
  });

  test("a prototype is no field: nothing is set, and nothing else has it", async () => {
    const before = api.overrides();
    await api.ask({ ...SET, body: '{"__proto__":{"weight":9},"constructor":"default"}' });
    expect(({} as { weight?: number }).weight).toBeUndefined();
    expect(api.daemon.view().domains.map(({ weight }) => weight)).toEqual([256, 256]);
    expect(api.overrides()).toEqual(before);
  });

  test.each<[why: string, head: string, status: RegExp]>([
    [
      "headers without end",
      `GET /v1/state HTTP/1.1\r\nhost: localhost\r\nx: ${"x".repeat(20_000)}\r\n\r\n`,
      /^HTTP\/1\.1 431 /,
    ],
    ["no HTTP", "QMP ready\r\n\r\n", /^HTTP\/1\.1 400 /],
    [
      "two lengths",
      "POST /v1/reload HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}",
      /^HTTP\/1\.1 400 /,
    ],
    [
      "a length and chunks",
      "POST /v1/reload HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
      /^HTTP\/1\.1 400 /,
    ],
    ["no host", "GET /v1/state HTTP/1.1\r\nconnection: close\r\n\r\n", /^HTTP\/1\.1 400 /],
    [
      "a host that is none",
      "GET /v1/state HTTP/1.1\r\nhost: a b\r\nconnection: close\r\n\r\n",
      /^HTTP\/1\.1 40[03] /,
    ],
  ])("%s", async (_, head, status) => {
    for (const door of ["socket", "tcp"] as const) expect(await rawly(door, head)).toMatch(status);
  });
});

describe("slow clients", () => {
  test("one that follows and never reads costs others nothing", async () => {
    const stalled = api.dial("socket");
    stalled.write("GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n");
    stalled.pause();
    const { revision } = api.daemon.view();
    await expect.poll(() => api.daemon.view().revision, { timeout: 10_000 }).toBeGreaterThan(revision + 5);
    expect((await api.ask({ path: "/v1/state" })).status).toBe(200);
    stalled.destroy();
  });

  test("live events come, whatever Last-Event-ID says, and a stream that ends is let go", async () => {
    const following = api.dial("socket");
    following.write("GET /v1/events HTTP/1.1\r\nhost: localhost\r\nlast-event-id: x'\u00e4-1\r\n\r\n");
    let text = "";
    following.on("data", (chunk: Buffer) => {
      text += chunk.toString("utf8");
    });
    await expect.poll(() => text.match(/event: state/g)?.length ?? 0, { timeout: 10_000 }).toBeGreaterThan(2);
    const open = async () =>
      /^vbal_api_streams (\d+)$/m.exec((await api.ask({ path: "/metrics" })).text)?.[1];
    expect(await open()).not.toBe("0");
    following.destroy();
    await expect.poll(open, { timeout: 10_000 }).toBe("0");
  });
});

function rawly(door: "socket" | "tcp", head: string): Promise<string> {
  const client: Socket = api.dial(door);
  return new Promise((resolve) => {
    let text = "";
    client.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
    });
    client.on("error", () => undefined);
    client.on("close", () => resolve(text));
    client.write(head);
  });
}
