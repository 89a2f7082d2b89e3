/**
 * The API against its own OpenAPI document: requests are made from the schemas that it publishes, right ones and broken
 * ones, and every answer is held against the schema of its route. Nothing crashes, nothing leaks, and nothing is written
 * without the right.
 */
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answered, type DaemonApi, openDaemonApi, READ_TOKEN } from "./daemon_api_suite.ts";
import { broken, fitting, type JsonSchema, misfits, type Schemas } from "./json_schema_suite.ts";

interface Operation {
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly Parameter[];
  readonly body: JsonSchema | null;
  /** null: no JSON. */
  readonly answer: JsonSchema | null;
}

interface Parameter {
  readonly name: string;
  readonly in: "path" | "query" | "header";
  readonly required?: boolean;
  readonly schema: JsonSchema;
}

interface RawOperation {
  readonly parameters?: readonly Parameter[];
  readonly requestBody?: {
    readonly content: { readonly "application/json": { readonly schema: JsonSchema } };
  };
  readonly responses: Record<
    string,
    { readonly content: { readonly "application/json"?: { readonly schema: JsonSchema } } }
  >;
}

const RUNS = 50;

let api: DaemonApi;
let schemas: Schemas;
let operations: readonly Operation[];

beforeAll(async () => {
  api = await openDaemonApi();
  const document = (await api.ask({ path: "/openapi.json" })).json as {
    components: { schemas: Schemas };
    paths: Record<string, Record<string, RawOperation>>;
  };
  schemas = document.components.schemas;
  operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, raw]) => ({
      method: method.toUpperCase(),
      path,
      parameters: raw.parameters ?? [],
      body: raw.requestBody?.content["application/json"].schema ?? null,
      answer: raw.responses["200"]?.content["application/json"]?.schema ?? null,
    })),
  );
});

afterAll(async () => {
  await api.close();
});

const ROUTES = [
  "GET /v1/state",
  "GET /v1/plan",
  "GET /v1/domains/{name}",
  "POST /v1/domains/{name}",
  "POST /v1/domains/{name}/requests",
  "POST /v1/reload",
  "POST /v1/pause",
  "POST /v1/preview",
  "GET /v1/history",
  "GET /v1/events",
  "GET /metrics",
] as const;

test("the document names every route, and is OpenAPI 3.1", async () => {
  expect(operations.map(({ method, path }) => `${method} ${path}`).sort()).toEqual([...ROUTES].sort());
  expect((await api.ask({ path: "/openapi.json" })).json).toMatchObject({
    openapi: "3.1.0",
    info: { title: "vbal" },
  });
});

/** A request as it goes on the wire. */
interface Made {
  readonly path: string;
  readonly body?: unknown;
}

function made(operation: Operation, values: "fitting" | "broken"): fc.Arbitrary<Made> {
  const make = values === "fitting" ? fitting : broken;
  const ofPlace = (place: Parameter["in"]) =>
    operation.parameters.filter((parameter) => parameter.in === place);
  const inPath = fc.tuple(
    ...ofPlace("path").map(({ schema }) => fc.oneof(fc.constantFrom("web", "db"), make(schema, schemas))),
  );
  const query = fc.tuple(
    // Half of them left out: values that fit each by itself hardly ever fit together, and some requests must succeed.
    ...ofPlace("query").map(({ schema }) => fc.option(make(schema, schemas), { nil: undefined, freq: 2 })),
  );
  const body = operation.body === null ? fc.constant(undefined) : make(operation.body, schemas);
  return fc.tuple(inPath, query, body).map(([names, asked, sent]) => {
    let next = 0;
    const path = operation.path.replace(/\{\w+\}/g, () => encodeURIComponent(textOf(names[next++])));
    const parts = ofPlace("query").flatMap(({ name }, i) =>
      asked[i] === undefined ? [] : [`${encodeURIComponent(name)}=${encodeURIComponent(textOf(asked[i]))}`],
    );
    return {
      path: parts.length === 0 ? path : `${path}?${parts.join("&")}`,
      ...(sent === undefined ? {} : { body: sent }),
    };
  });
}

/** What no URL can hold becomes something that it can. */
function textOf(value: unknown): string {
  const text = typeof value === "string" ? value : (JSON.stringify(value) ?? "");
  return Buffer.from(text, "utf8").toString("utf8");
}

function check(operation: Operation, answer: Answered): void {
  expect(answer.status).not.toBe(500);
  if (answer.status === 200 && operation.answer === null) return;
  const isRefusal = 400 <= answer.status && answer.status < 500;
  expect(answer.status === 200 || isRefusal).toBe(true);
  const schema = isRefusal ? schemas["Error"]! : operation.answer!;
  expect({ status: answer.status, misfits: misfits(schema, answer.json, schemas) }).toEqual({
    status: answer.status,
    misfits: [],
  });
}

function operationOf(route: string): Operation {
  return operations.find(({ method, path }) => `${method} ${path}` === route)!;
}

// Streams do not end; they have tests of their own.
const ENDING = ROUTES.filter((route) => route !== "GET /v1/events");

test.each(ENDING.flatMap((route) => [["fitting", route] as const, ["broken", route] as const]))(
  "%s requests: %s answers within its schema",
  async (values, route) => {
    const operation = operationOf(route);
    const seen = new Map<number, number>();
    await fc.assert(
      fc.asyncProperty(made(operation, values), async ({ path, body }) => {
        const answer = await api.ask({ method: operation.method, path, body });
        check(operation, answer);
        seen.set(answer.status, (seen.get(answer.status) ?? 0) + 1);
      }),
      { numRuns: operation.parameters.length === 0 && operation.body === null ? 5 : RUNS },
    );
    expect(api.log.filter((text) => text.includes("Internal fault"))).toEqual([]);
    // A fuzz that is only ever refused would show little; without a config file, there is nothing to reload.
    const isToSucceed = values === "fitting" && route !== "POST /v1/reload";
    expect(seen.get(200) ?? 0).toBeGreaterThanOrEqual(isToSucceed ? 1 : 0);
  },
);

test.each(["wrong", "none", "read"])(
  "with a token that is %s, nothing is written, whatever is sent",
  async (kind) => {
    const before = api.overrides();
    const token = { wrong: `${READ_TOKEN}x`, none: null, read: READ_TOKEN }[kind as "wrong"];
    for (const route of ENDING.filter((one) => one.startsWith("POST") && one !== "POST /v1/preview")) {
      const operation = operationOf(route);
      await fc.assert(
        fc.asyncProperty(made(operation, "fitting"), async ({ path, body }) => {
          const { status } = await api.ask({ method: "POST", path, body: body ?? {}, token });
          // Who may not write is told so before anything else is looked at.
          expect(status).toBe(kind === "read" ? 403 : 401);
        }),
        { numRuns: 25 },
      );
    }
    expect(api.overrides()).toEqual(before);
  },
);

test("the loop went on all the while", async () => {
  const revision = api.daemon.view().revision;
  await expect.poll(() => api.daemon.view().revision, { timeout: 10_000 }).toBeGreaterThan(revision);
});
