/** The routes that give and take JSON. Streams, metrics and the page have files of their own. */
import { z } from "zod";
import {
  authorSchema,
  domainChangeSchema,
  domainNameSchema,
  doneSchema,
  pauseSchema,
  vcpuRequestSchema,
} from "../../protocol/api_change.ts";
import { planViewSchema } from "../../protocol/api_plan.ts";
import { domainViewSchema, requestViewSchema } from "../../protocol/state_view.ts";
import { ApiRefusal } from "./api_refusal.ts";
import { type ApiRoute, route } from "./api_route.ts";
import type { Answer, ApiTarget } from "./api_target.ts";
import type { StateSource } from "./state_source.ts";

export interface RouteParts {
  readonly target: ApiTarget;
  readonly states: StateSource;
}

export function routes({ target, states }: RouteParts): readonly ApiRoute[] {
  const ofDomain = z.object({ name: domainNameSchema });
  const changed = async (answer: Promise<Answer>): Promise<{ message: string }> => {
    const done = accepted(await answer);
    states.forget();
    return done;
  };
  return [
    route({
      method: "get",
      path: "/v1/plan",
      role: "read",
      summary: "What every domain should have, what moves for it, and why",
      answer: planViewSchema,
      handle: () => target.plan(),
    }),
    route({
      method: "get",
      path: "/v1/domains/{name}",
      role: "read",
      summary: "One domain of the state, with its reasons: what `vbal explain` prints",
      params: ofDomain,
      answer: domainViewSchema,
      handle: async ({ params: { name } }) => {
        const { view } = await states.latest();
        const found = view.domains.find((domain) => domain.name === name);
        if (found !== undefined) return found;
        const names = view.domains.map((domain) => domain.name).join(", ");
        throw new ApiRefusal(
          "no-such-domain",
          `There is no domain ${JSON.stringify(name)}`,
          `There are: ${names || "none"}`,
        );
      },
    }),
    route({
      method: "post",
      path: "/v1/domains/{name}",
      role: "write",
      summary: "Lays fields over what the config file says of a domain; kept over restarts",
      params: ofDomain,
      query: z.object({ by: authorSchema.optional() }),
      body: domainChangeSchema,
      answer: doneSchema,
      handle: ({ params: { name }, query: { by }, body }) =>
        changed(Promise.resolve(target.setDomain(name, body, by ?? "a client of the API"))),
    }),
    route({
      method: "post",
      path: "/v1/domains/{name}/requests",
      role: "write",
      summary:
        "Asks for one more vCPU for a domain, as `vbal request` does; the answer says granted or why not",
      params: ofDomain,
      body: vcpuRequestSchema,
      answer: requestViewSchema,
      handle: async ({ params: { name }, body }) => {
        const answer = await target.requestVcpu(name, body.node ?? null);
        if (!answer.ok) throw new ApiRefusal("bad-request", answer.errors.join("\n"));
        states.forget();
        return answer.request;
      },
    }),
    route({
      method: "post",
      path: "/v1/reload",
      role: "write",
      summary: "Reads the config file again",
      answer: doneSchema,
      handle: () => changed(Promise.resolve(target.reload())),
    }),
    route({
      method: "post",
      path: "/v1/pause",
      role: "write",
      summary:
        "Begins or ends a maintenance pause: meanwhile nothing is changed, over restarts of the daemon too",
      query: z.object({ by: authorSchema.optional() }),
      body: pauseSchema,
      answer: doneSchema,
      handle: ({ query: { by }, body: { paused } }) =>
        changed(Promise.resolve(target.setPaused(paused, by ?? "a client of the API"))),
    }),
  ];
}

function accepted(answer: Answer): { message: string } {
  if (answer.ok) return { message: answer.message };
  throw new ApiRefusal("bad-request", answer.errors.join("\n"));
}
