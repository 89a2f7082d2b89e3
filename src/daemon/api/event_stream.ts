/**
 * GET /v1/events: the state, live, as server-sent events. Each event is a whole view, so a client that missed some has
 * lost nothing, and one that reconnects with any Last-Event-ID begins with the present. A slow client gets fewer events,
 * and one that takes none for a while is let go; neither costs more than one event of memory.
 */
import { createRoute, type OpenAPIHono, z } from "@hono/zod-openapi";
import type { MiddlewareHandler } from "hono";
import { streamSSE } from "hono/streaming";
import { ApiRefusal } from "./api_refusal.ts";
import { REFUSED, type Role, securityOf } from "./api_route.ts";
import type { StateSource } from "./state_source.ts";

/** A comment now and then shows both ends that the other is there; proxies cut connections that are silent for 30 s or 60 s. */
const HEARTBEAT_MS = 15_000;
/** People do not read faster than this. */
const EVENT_GAP_MS = 250;
/** Nobody who is there needs longer to take one event. */
export const TAKE_DEADLINE_MS = 10_000;
/** Each costs a socket and, when something happens, the writing of a view. */
export const STREAMS_MAX = 64;

export interface EventStreamOptions {
  readonly states: StateSource;
  readonly allow: (role: Role) => MiddlewareHandler;
  readonly open: OpenStreams;
  readonly takeDeadlineMs?: number;
}

/** The streams of all doors together. */
export interface OpenStreams {
  count: number;
}

export function addEventStream(
  app: OpenAPIHono,
  { states, allow, open, takeDeadlineMs = TAKE_DEADLINE_MS }: EventStreamOptions,
): void {
  app.openapi(documented(allow), (c) => {
    if (STREAMS_MAX <= open.count) {
      throw new ApiRefusal(
        "unavailable",
        `${STREAMS_MAX} clients follow the state already`,
        "Poll GET /v1/state, or try again later",
      );
    }
    open.count += 1;
    return streamSSE(c, async (stream) => {
      const gone = new Promise<false>((resolve) => stream.onAbort(() => resolve(false)));
      let number = 0;
      try {
        while (!stream.aborted && !stream.closed) {
          const isNews = number === 0 || (await Promise.race([states.newerThan(number, HEARTBEAT_MS), gone]));
          if (stream.aborted) return;
          const state = isNews ? await states.latest() : null;
          const written =
            state === null
              ? stream.write(": still here\n\n")
              : stream.writeSSE({ event: "state", id: `${state.view.revision}`, data: state.json });
          if (!(await inTime(written, takeDeadlineMs))) {
            stream.abort();
            return;
          }
          number = state?.number ?? number;
          await stream.sleep(EVENT_GAP_MS);
        }
      } finally {
        open.count -= 1;
      }
    }) as never;
  });
}

function documented(allow: EventStreamOptions["allow"]) {
  return createRoute({
    method: "get",
    path: "/v1/events",
    operationId: "getEvents",
    summary: "The state, live: server-sent events named `state`, each with a whole StateView as its data",
    security: securityOf("read"),
    middleware: [allow("read")],
    request: { headers: z.object({ "last-event-id": z.string().optional() }) },
    responses: {
      200: {
        description: "Events until either side ends them",
        content: { "text/event-stream": { schema: z.string() } },
      },
      default: REFUSED,
    },
  });
}

async function inTime(work: Promise<unknown>, deadlineMs: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), deadlineMs);
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
