/** How often what may be asked: each kind has a bound of its own, so that one who overdoes it takes nothing from the others. */
import { afterEach, expect, test } from "vitest";
import { startHistory } from "../history/start_history.ts";
import { type Asked, type DaemonApi, openDaemonApi, READ_TOKEN, WRITE_TOKEN } from "./daemon_api_suite.ts";
import type { Rates } from "./request_limits.ts";
import { startApiHere } from "./start_api_here.ts";

const FREELY = { perSecond: 1e6, burst: 1e6 };
/** One and no more: a thousandth of a request a second. */
const ONCE = { perSecond: 0.001, burst: 1 };
const NO_LIMITS: Rates = { read: FREELY, write: FREELY, preview: FREELY, refused: FREELY };

let api: DaemonApi | null = null;

afterEach(async () => {
  await api?.close();
  api = null;
});

const ASKED: Readonly<Record<keyof Rates, Asked>> = {
  read: { path: "/v1/plan", token: READ_TOKEN },
  write: { method: "POST", path: "/v1/domains/web", body: { weight: 300 }, token: WRITE_TOKEN },
  preview: { method: "POST", path: "/v1/preview", body: { domains: {} }, token: READ_TOKEN },
  refused: { path: "/v1/plan", token: "a-token-that-nobody-knows" },
};
const KINDS = Object.keys(ASKED) as (keyof Rates)[];

/** Asks twice; answers the second status of each kind, with the bound of one kind or of none. */
async function check(bounded: keyof Rates | null): Promise<Record<keyof Rates, number>> {
  const rates = bounded === null ? NO_LIMITS : { ...NO_LIMITS, [bounded]: ONCE };
  api = await openDaemonApi({ startApi: (options) => startApiHere({ ...options, rates }), startHistory });
  const seconds = [];
  for (const kind of KINDS) {
    await api.ask(ASKED[kind]);
    const { status, headers } = await api.ask(ASKED[kind]);
    expect(headers["retry-after"]).toBe(status === 429 ? "1" : undefined);
    seconds.push([kind, status]);
  }
  return Object.fromEntries(seconds) as Record<keyof Rates, number>;
}

const USUAL = { read: 200, write: 200, preview: 200, refused: 401 };

test.each(KINDS)("one %s too many is refused, and nothing else is", async (kind) => {
  expect(await check(kind)).toEqual({ ...USUAL, [kind]: 429 });
});

test("without bounds nothing is refused for its number", async () => {
  expect(await check(null)).toEqual(USUAL);
});
