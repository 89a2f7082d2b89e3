/** The API as one function from request to answer, for one door; the servers around it are serve_api.ts. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { HTTPException } from "hono/http-exception";
import type { z } from "zod";
import { stateViewSchema } from "../../protocol/state_view.ts";
import { allowAt, type Door } from "./access.ts";
import { ApiRefusal } from "./api_refusal.ts";
import { addRoute, CheckedAnswer, JSON_TYPE } from "./api_route.ts";
import { addEventStream } from "./event_stream.ts";
import { historyRoute } from "./history_route.ts";
import { addMetrics, countAnswers, type MetricsParts } from "./metrics_route.ts";
import { type PageFile, servePageFile } from "./page_files.ts";
import { previewRoute } from "./preview_route.ts";
import { BODY_BYTES_MAX, RateLimits, type Rates } from "./request_limits.ts";
import { routes } from "./routes.ts";
import { onlySameSite } from "./same_site.ts";

export interface ApiParts extends MetricsParts {
  readonly version: string;
  /** The history's database; `null` where none is kept. */
  readonly history: string | null;
  readonly page: ReadonlyMap<string, PageFile>;
  readonly rates: Rates;
  readonly takeDeadlineMs?: number;
  readonly onFault: (text: string) => void;
}

export function createApi(parts: ApiParts, door: Door): OpenAPIHono {
  const app = new OpenAPIHono({ defaultHook: onlyWhatFits });
  const allow = allowAt(door, new RateLimits(parts.rates, performance.now()));
  app.use(countAnswers(parts.metrics), secured, onlyReadablePaths, onlySameSite(door), limitBody);
  const json = [stateRoute(parts), ...routes(parts), previewRoute(parts), historyRoute(parts.history)];
  for (const route of json) addRoute(app, { route, allow });
  addEventStream(app, { ...parts, allow });
  addMetrics(app, { ...parts, allow });
  for (const [path, file] of parts.page) app.get(path, (c) => servePageFile(c, file));
  document(app, parts.version);
  app.notFound((c) => refuse(c, noRoute(app, c)));
  app.onError((error, c) => refuse(c, refusalOf(error, parts.onFault)));
  return app;
}

/** Its answer is made and checked once for all clients, so it is not made anew here. */
function stateRoute({ states }: ApiParts): Parameters<typeof addRoute>[1]["route"] {
  return {
    method: "get",
    path: "/v1/state",
    role: "read",
    summary: "The host and every domain as they are, with what vbal wants and why",
    answer: stateViewSchema,
    handle: async () => new CheckedAnswer((await states.latest()).json),
  };
}

function document(app: OpenAPIHono, version: string): void {
  app.openAPIRegistry.registerComponent("securitySchemes", "token", {
    type: "http",
    scheme: "bearer",
    description: "Over TCP: a token of control.tcp.tokens. The unix socket's owner needs none",
  });
  let text: string | null = null;
  app.get("/openapi.json", (c) => {
    // Made once: it needs no token, and whoever asks for it a thousand times must not cost more than a file.
    text ??= `${JSON.stringify(
      app.getOpenAPI31Document({
        openapi: "3.1.0",
        info: {
          title: "vbal",
          version,
          description:
            "The daemon that gives pCPUs by weight: what it sees, wants and does, and how to change it",
        },
      }),
    )}\n`;
    return c.body(text, 200, JSON_TYPE);
  });
}

/** No script but the page's own files, no frame around it, nothing kept or guessed by the browser. */
const HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin",
  "cross-origin-opener-policy": "same-origin",
  "cache-control": "no-store",
};

const secured: MiddlewareHandler = async (c, next) => {
  await next();
  for (const [name, value] of Object.entries(HEADERS)) if (!c.res.headers.has(name)) c.header(name, value);
};

/** What is no text in percent signs would come through as it is, and name a domain that nobody meant. */
const onlyReadablePaths: MiddlewareHandler = async (c, next) => {
  try {
    decodeURIComponent(new URL(c.req.url).pathname);
  } catch {
    throw new ApiRefusal(
      "bad-request",
      "The path holds percent signs that stand for no text",
      "Write %25 for a percent sign",
    );
  }
  await next();
};

const limitBody: MiddlewareHandler = bodyLimit({
  maxSize: BODY_BYTES_MAX,
  onError: () => {
    throw new ApiRefusal("too-large", `A request may have ${BODY_BYTES_MAX} bytes`, "Send fewer fields");
  },
});

/** Called by hono with what the schemas said of a part of the request. */
function onlyWhatFits(result: { success: boolean; error?: z.core.$ZodError; target?: string }): void {
  if (result.success || result.error === undefined) return;
  const sentences = result.error.issues.map(
    ({ path, message }) => `${[result.target, ...path].join(".")}: ${message}`,
  );
  throw new ApiRefusal("bad-request", sentences.join("\n"), "GET /openapi.json says what may be sent");
}

function noRoute(app: OpenAPIHono, c: Context): ApiRefusal {
  const known = app.routes.filter(({ method }) => method === "GET" || method === "POST");
  const others = ["GET", "POST"].filter(
    (method) =>
      method !== c.req.method &&
      known.some((route) => route.method === method && fits(route.path, c.req.path)),
  );
  if (others.length > 0) {
    c.header("allow", others.join(", "));
    return new ApiRefusal(
      "wrong-method",
      `${c.req.path} takes no ${c.req.method}`,
      `Use ${others.join(" or ")}`,
    );
  }
  const paths = [
    ...new Set(known.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`)),
  ].join(", ");
  return new ApiRefusal("no-such-route", `No route ${c.req.method} ${c.req.path}`, `There are ${paths}`);
}

function fits(pattern: string, path: string): boolean {
  const [wanted, given] = [pattern.split("/"), path.split("/")];
  return (
    wanted.length === given.length &&
    wanted.every((part, i) => part === given[i] || (part.startsWith(":") && given[i] !== ""))
  );
}

function refusalOf(error: Error, onFault: (text: string) => void): ApiRefusal {
  if (error instanceof ApiRefusal) return error;
  if (error instanceof HTTPException && error.status === 415) {
    return new ApiRefusal(
      "not-json",
      "The body must be JSON",
      "Send the header content-type: application/json",
    );
  }
  if (error instanceof HTTPException && error.status < 500) {
    return new ApiRefusal("bad-request", "The request is not JSON", 'Send a body such as {"weight": 512}');
  }
  // What went wrong inside is for the log, not for whoever asked.
  onFault(`Internal fault in the API: ${error.stack ?? String(error)}`);
  return new ApiRefusal("internal", "The daemon could not answer", "Look at its log");
}

function refuse(c: Context, refusal: ApiRefusal): Response {
  if (refusal.code === "too-many-requests") c.header("retry-after", "1");
  return c.body(`${JSON.stringify(refusal.toJson())}\n`, refusal.status, JSON_TYPE);
}
