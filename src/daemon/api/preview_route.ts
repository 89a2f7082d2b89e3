/** POST /v1/preview: the plan before and after a change, without the change. */
import { previewRequestSchema, previewSchema } from "../../protocol/api_preview.ts";
import { ApiRefusal } from "./api_refusal.ts";
import { type ApiRoute, route } from "./api_route.ts";
import { preview } from "./preview.ts";
import type { RouteParts } from "./routes.ts";

export function previewRoute({ target, states }: RouteParts): ApiRoute {
  return route({
    method: "post",
    path: "/v1/preview",
    // It changes nothing: who may look may also ask what would be.
    role: "read",
    rate: "preview",
    summary: "What a change of weights or thresholds would do; nothing is changed",
    body: previewRequestSchema,
    answer: previewSchema,
    handle: async ({ body: { domains } }) => {
      const parts = await target.previewParts(domains);
      if (!parts.ok) throw new ApiRefusal("bad-request", parts.errors.join("\n"));
      return preview(parts, (await states.latest()).view, domains);
    },
  });
}
