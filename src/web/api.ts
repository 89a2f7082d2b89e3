/** What the page asks of the daemon beside the events. Nothing here throws: a fault is a sentence for the person. */
import type { Preview } from "../protocol/api_preview.ts";
import type { RequestView } from "../protocol/state_view.ts";
import { authorization } from "./token.ts";

export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly why: string };

export type DomainChange = Readonly<Record<string, unknown>>;

/** What everybody would have after the change; nothing is applied. */
export function preview(domain: string, change: DomainChange): Promise<Outcome<Preview>> {
  return send("POST", "/v1/preview", { domains: { [domain]: change } });
}

export function changeDomain(domain: string, change: DomainChange): Promise<Outcome<unknown>> {
  return send("POST", `/v1/domains/${encodeURIComponent(domain)}`, change);
}

/** The host's threshold for a measure; `default` leaves it to the guest again, `null` is none. */
export function setThreshold(
  domain: string,
  measure: string,
  value: number | null | "default",
): Promise<Outcome<unknown>> {
  return changeDomain(domain, { monitor: { thresholds: { [measure]: value ?? "none" } } });
}

/** As an administrator of the guest would; denied is an outcome that is not ok. */
export async function askForVcpu(domain: string): Promise<Outcome<RequestView>> {
  const path = `/v1/domains/${encodeURIComponent(domain)}/requests`;
  const asked = await send<RequestView>("POST", path, {});
  if (!asked.ok || asked.value.fate === "granted") return asked;
  return { ok: false, why: asked.value.why };
}

export async function send<T>(method: "GET" | "POST", path: string, body?: unknown): Promise<Outcome<T>> {
  try {
    const response = await fetch(path, {
      method,
      headers: { ...authorization(), ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
    const said: unknown = await response.json().catch(() => null);
    if (response.ok) return { ok: true, value: said as T };
    return {
      ok: false,
      why: reasonOf(said) ?? `The daemon answers ${response.status} ${response.statusText}`,
    };
  } catch (error) {
    return {
      ok: false,
      why: `The daemon does not answer: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
}

/** A vCPU that has to be plugged first takes the longest. */
const DEADLINE_MS = 30_000;

function reasonOf(said: unknown): string | null {
  const { error } = (said ?? {}) as { error?: { message?: unknown; advice?: unknown } };
  if (typeof error?.message !== "string") return null;
  return typeof error.advice === "string" && error.advice !== ""
    ? `${error.message}. ${error.advice}.`
    : error.message;
}
