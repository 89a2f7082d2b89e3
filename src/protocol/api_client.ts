/**
 * The API as functions with types, for the command line, the page and other programs. It knows the routes; what carries the
 * requests is given: fetch in a browser (`callByFetch`), a unix socket for the command line.
 */

import type { Done } from "./api_change.ts";
import { API_ERROR_STATUS, type ApiErrorCode } from "./api_codes.ts";
import type { HistoryView } from "./api_history.ts";
import type { Preview } from "./api_preview.ts";
import type { PlanView } from "./plan_view.ts";
import type { DomainView, RequestView, StateView } from "./state_view.ts";

/** Fields of the config file, in its own words. */
export type WrittenFields = Readonly<Record<string, unknown>>;

export interface ApiClient {
  state(): Promise<StateView>;
  plan(): Promise<PlanView>;
  domain(name: string): Promise<DomainView>;
  /** `by`: who changes it, for the account of changes. */
  setDomain(name: string, fields: unknown, by?: string): Promise<Done>;
  /** `node`: of the guest's; `null` for anywhere. */
  requestVcpu(name: string, node: number | null): Promise<RequestView>;
  reload(): Promise<Done>;
  /** Begins or ends a maintenance pause. */
  setPaused(paused: boolean, by?: string): Promise<Done>;
  preview(domains: Readonly<Record<string, WrittenFields>>): Promise<Preview>;
  history(question: HistoryQuestion): Promise<HistoryView>;
}

/** Of the host where neither a domain nor a pCPU is named. */
export interface HistoryQuestion {
  readonly domain?: string;
  readonly pcpu?: number;
  readonly from?: number;
  readonly to?: number;
  readonly points?: number;
}

/** Carries one request; resolves with the answer's JSON, and rejects with what a person can be told. */
export type ApiCall = (asked: ApiRequest) => Promise<unknown>;

export interface ApiRequest {
  readonly method: "GET" | "POST";
  /** With its query. */
  readonly path: string;
  readonly body?: unknown;
}

export function apiClient(call: ApiCall): ApiClient {
  const get = async <T>(path: string): Promise<T> => (await call({ method: "GET", path })) as T;
  const post = async <T>(path: string, body: unknown): Promise<T> =>
    (await call({ method: "POST", path, body })) as T;
  const ofDomain = (name: string) => `/v1/domains/${encodeURIComponent(name)}`;
  return {
    state: () => get("/v1/state"),
    plan: () => get("/v1/plan"),
    domain: (name) => get(ofDomain(name)),
    setDomain: (name, fields, by) => post(`${ofDomain(name)}${queryOf({ by })}`, fields),
    requestVcpu: (name, node) => post(`${ofDomain(name)}/requests`, { node }),
    reload: () => post("/v1/reload", {}),
    setPaused: (paused, by) => post(`/v1/pause${queryOf({ by })}`, { paused }),
    preview: (domains) => post("/v1/preview", { domains }),
    history: (question) => get(`/v1/history${queryOf({ ...question })}`),
  };
}

/** A refusal of the daemon, in its own words. */
export class ApiFault extends Error {
  readonly status: number;
  readonly code: ApiErrorCode;
  readonly advice: string;

  constructor(
    status: number,
    said: { readonly code: ApiErrorCode; readonly message: string; readonly advice: string },
  ) {
    super(said.message);
    this.name = "ApiFault";
    this.status = status;
    this.code = said.code;
    this.advice = said.advice;
  }
}

/** As much of `fetch` as is used, so that this needs no browser. */
export type Fetch = (
  url: string,
  options: { readonly method: string; readonly headers: Record<string, string>; readonly body?: string },
) => Promise<{ readonly status: number; text(): Promise<string> }>;

/** `headers` are asked for with every request, since a token may change. Rejects with `ApiFault`, or with what fetch says. */
export function callByFetch(
  fetch: Fetch,
  headers: () => Record<string, string> = () => ({}),
  base = "",
): ApiCall {
  return async ({ method, path, body }) => {
    const answer = await fetch(`${base}${path}`, {
      method,
      headers: body === undefined ? headers() : { ...headers(), "content-type": "application/json" },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return answerOf(answer.status, await answer.text());
  };
}

/** The JSON of an answer; throws `ApiFault` for a refusal. */
export function answerOf(status: number, text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ApiFault(status, {
      code: "unavailable",
      message: "Something else than vbal answers there",
      advice: "Check the address",
    });
  }
  if (200 <= status && status < 300) return value;
  const said = (value as { error?: Partial<Record<"code" | "message" | "advice", unknown>> } | null)?.error;
  throw new ApiFault(status, {
    code: isCode(said?.code) ? said.code : "internal",
    message:
      typeof said?.message === "string"
        ? said.message
        : `The daemon refused with status ${status}: ${text.slice(0, 200)}`,
    advice: typeof said?.advice === "string" ? said.advice : "",
  });
}

function isCode(code: unknown): code is ApiErrorCode {
  return typeof code === "string" && Object.hasOwn(API_ERROR_STATUS, code);
}

function queryOf(parts: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(parts).flatMap(([name, value]) =>
    value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`],
  );
  return given.length === 0 ? "" : `?${given.join("&")}`;
}
