/**
 * One route of the API: who may call it, what it takes, what it gives. The same schemas check what comes in, what goes out
 * and make the OpenAPI document. Every answer is parsed by its schema, which drops what does not stand in it.
 */
import { createRoute, type OpenAPIHono } from "@hono/zod-openapi";
import type { z } from "zod";
import { API_ERROR_STATUS } from "../../protocol/api_codes.ts";
import { apiErrorSchema } from "../../protocol/api_error.ts";
import type { Allow } from "./access.ts";
import type { Awaitable } from "./api_target.ts";

/** `read` looks, `write` changes something. */
export type Role = "read" | "write";

export interface ApiRoute {
  readonly method: "get" | "post";
  /** With parameters in braces: /v1/domains/{name}. */
  readonly path: string;
  readonly role: Role;
  /** How often it may be called; as often as the role says when absent. */
  readonly rate?: "preview";
  readonly summary: string;
  readonly params?: z.ZodObject;
  readonly query?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly answer: z.ZodType;
  readonly handle: (asked: Asked) => Awaitable<unknown>;
}

/** An answer that was held against its schema already, as one line of JSON: for what is made once for many clients. */
export class CheckedAnswer {
  readonly json: string;

  constructor(json: string) {
    this.json = json;
  }
}

/** What was asked, checked by the route's schemas. */
export interface Asked {
  readonly params: unknown;
  readonly query: unknown;
  readonly body: unknown;
}

/** A route with the types of its own schemas. */
export function route<
  P extends z.ZodObject = z.ZodObject<Record<never, never>>,
  Q extends z.ZodObject = z.ZodObject<Record<never, never>>,
  B extends z.ZodType = z.ZodUndefined,
>(
  written: Omit<ApiRoute, "handle" | "params" | "query" | "body"> & {
    readonly params?: P;
    readonly query?: Q;
    readonly body?: B;
    readonly handle: (asked: {
      readonly params: z.output<P>;
      readonly query: z.output<Q>;
      readonly body: z.output<B>;
    }) => Awaitable<unknown>;
  },
): ApiRoute {
  return written as unknown as ApiRoute;
}

export interface AddRouteOptions {
  readonly route: ApiRoute;
  readonly allow: Allow;
}

export function addRoute(app: OpenAPIHono, { route: spec, allow }: AddRouteOptions): void {
  const { method, path, role, rate, summary, params, query, body, answer } = spec;
  const documented = createRoute({
    method,
    path,
    summary,
    operationId: operationId(method, path),
    security: securityOf(role),
    middleware: [allow(role, rate)],
    request: {
      ...(params === undefined ? {} : { params }),
      ...(query === undefined ? {} : { query }),
      ...(body === undefined
        ? {}
        : { body: { required: true, content: { "application/json": { schema: body } } } }),
    },
    responses: {
      200: { description: "The answer", content: { "application/json": { schema: answer } } },
      default: REFUSED,
    },
  });
  app.openapi(documented, async (c) => {
    const sent = c.req as unknown as { valid(part: string): unknown };
    const asked: Asked = {
      params: params === undefined ? {} : sent.valid("param"),
      query: query === undefined ? {} : sent.valid("query"),
      body: body === undefined ? undefined : sent.valid("json"),
    };
    const given = await spec.handle(asked);
    const json = given instanceof CheckedAnswer ? given.json : JSON.stringify(answer.parse(given));
    return c.body(`${json}\n`, 200, JSON_TYPE) as never;
  });
}

export const JSON_TYPE: { readonly "content-type": string } = { "content-type": "application/json" };

const statuses = [...new Set(Object.values(API_ERROR_STATUS))].sort((a, b) => a - b).join(", ");

/** The answer of every route to what it does not do. */
export const REFUSED: {
  readonly description: string;
  readonly content: { readonly "application/json": { readonly schema: typeof apiErrorSchema } };
} = {
  description: `Refused, with one of ${statuses}`,
  content: { "application/json": { schema: apiErrorSchema } },
};

export function securityOf(role: Role): Record<string, string[]>[] {
  return [{ token: [role] }];
}

/** get /v1/domains/{name} as getDomainsName. */
function operationId(method: string, path: string): string {
  const words = path.split(/[^A-Za-z]+/).filter((word) => word !== "" && word !== "v");
  return method + words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join("");
}
