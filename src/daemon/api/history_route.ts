/** GET /v1/history: read from the database by the API's own thread, so that a long look costs nobody else. */
import { type HistoryView, historyQuerySchema, historyViewSchema } from "../../protocol/api_history.ts";
import { type HistoryQuestion, HistoryReader } from "../history/read_history.ts";
import { ApiRefusal } from "./api_refusal.ts";
import { type ApiRoute, route } from "./api_route.ts";

const HOUR_MS = 3_600_000;

/** `path`: the history's database; `null` where none is kept. */
export function historyRoute(path: string | null): ApiRoute {
  const reader = path === null ? null : new HistoryReader(path);
  return route({
    method: "get",
    path: "/v1/history",
    role: "read",
    summary: "What a domain, a pCPU or the host had and used, in at most so many points",
    query: historyQuerySchema,
    answer: historyViewSchema,
    handle: ({ query: { domain, pcpu, from, to, points } }) => {
      if (reader === null) throw new ApiRefusal("unavailable", "No history is kept", "Set history.path");
      if (domain !== undefined && pcpu !== undefined) {
        throw new ApiRefusal("bad-request", "A history is of a domain or of a pCPU", "Leave one of them out");
      }
      const toMs = to ?? Date.now();
      const fromMs = from ?? Math.max(0, toMs - HOUR_MS);
      if (toMs <= fromMs) throw new ApiRefusal("bad-request", "`from` must be before `to`");
      const whose =
        domain !== undefined
          ? ({ kind: "domain", name: domain } as const)
          : pcpu !== undefined
            ? ({ kind: "pcpu", name: `${pcpu}` } as const)
            : ({ kind: "host", name: "" } as const);
      return read(reader, { ...whose, fromMs, toMs, points });
    },
  });
}

function read(reader: HistoryReader, question: HistoryQuestion): HistoryView {
  try {
    return reader.read(question);
  } catch (error) {
    throw new ApiRefusal(
      "unavailable",
      `The history cannot be read now (${error instanceof Error ? error.message : String(error)})`,
      "Try again; if it stays so, look at the daemon's log",
    );
  }
}
