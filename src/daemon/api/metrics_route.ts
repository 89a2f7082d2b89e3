/** GET /metrics, for Prometheus, and the counting of the API's own answers. */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import type { Metrics } from "../metrics/metrics.ts";
import { REFUSED, type Role, securityOf } from "./api_route.ts";
import type { OpenStreams } from "./event_stream.ts";
import type { RouteParts } from "./routes.ts";

const MS_PER_SECOND = 1_000;

export interface MetricsParts extends RouteParts {
  readonly metrics: Metrics;
  readonly open: OpenStreams;
}

export function addMetrics(
  app: OpenAPIHono,
  { target, states, metrics, open, allow }: MetricsParts & { allow: (role: Role) => MiddlewareHandler },
): void {
  const documented = createRoute({
    method: "get",
    path: "/metrics",
    operationId: "getMetrics",
    summary: "Metrics in the text format of Prometheus",
    security: securityOf("read"),
    middleware: [allow("read")],
    responses: {
      200: { description: "Every metric", content: { "text/plain": { schema: z.string() } } },
      default: REFUSED,
    },
  });
  app.openapi(documented, async (c) => {
    const [{ view }, meters] = await Promise.all([states.latest(), target.meters()]);
    const text = await metrics.render(view, meters, open.count);
    return c.body(text, 200, { "content-type": metrics.contentType }) as never;
  });
}

/** Routes are counted as they are documented, so that no client can make new series. */
export function countAnswers(metrics: Metrics): MiddlewareHandler {
  return async (c, next) => {
    const begin = performance.now();
    await next();
    const path = routePath(c, -1);
    const route = path === "/*" || path === "*" ? "other" : path.replace(/:(\w+)/g, "{$1}");
    metrics.answered({ route, status: c.res.status, seconds: (performance.now() - begin) / MS_PER_SECOND });
  };
}
