/** What the page asks of the daemon beside the events. Nothing here throws: a fault is a sentence for the person. */
import { ApiFault, apiClient, callByFetch } from "../protocol/api_client.ts";
import type { HistoryView } from "../protocol/api_history.ts";
import type { Preview } from "../protocol/api_preview.ts";
import type { RequestView } from "../protocol/state_view.ts";
import { authorization } from "./token.ts";

export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly why: string };

export type DomainChange = Readonly<Record<string, unknown>>;

/** A vCPU that has to be plugged first takes the longest. */
const DEADLINE_MS = 30_000;
/** For the daemon's account of changes. */
const AUTHOR = "the page";

const api = apiClient(
  callByFetch(
    (url, options) => fetch(url, { ...options, signal: AbortSignal.timeout(DEADLINE_MS) }),
    authorization,
  ),
);

/** What everybody would have after the change; nothing is applied. */
export function preview(domain: string, change: DomainChange): Promise<Outcome<Preview>> {
  return outcomeOf(api.preview({ [domain]: change }));
}

export function changeDomain(domain: string, change: DomainChange): Promise<Outcome<unknown>> {
  return outcomeOf(api.setDomain(domain, change, AUTHOR));
}

/** The host's threshold for a measure: a number, "none" for not watched, "default" to leave it to the guest again. */
export function setThreshold(
  domain: string,
  measure: string,
  value: number | string,
): Promise<Outcome<unknown>> {
  return changeDomain(domain, { monitor: { thresholds: { [measure]: value } } });
}

/** As an administrator of the guest would; denied is an outcome that is not ok. */
export async function askForVcpu(domain: string): Promise<Outcome<RequestView>> {
  const asked = await outcomeOf(api.requestVcpu(domain, null));
  if (!asked.ok || asked.value.fate !== "denied") return asked;
  return { ok: false, why: asked.value.why };
}

export function setPaused(paused: boolean): Promise<Outcome<unknown>> {
  return outcomeOf(api.setPaused(paused, AUTHOR));
}

export function readHistory(
  domain: string | null,
  time: { readonly from: number; readonly to: number; readonly points: number },
): Promise<Outcome<HistoryView>> {
  return outcomeOf(api.history(domain === null ? time : { ...time, domain }));
}

async function outcomeOf<T>(asked: Promise<T>): Promise<Outcome<T>> {
  try {
    return { ok: true, value: await asked };
  } catch (error) {
    if (!(error instanceof ApiFault))
      return {
        ok: false,
        why: `The daemon does not answer (${error instanceof Error ? error.message : String(error)})`,
      };
    return { ok: false, why: error.advice === "" ? error.message : `${error.message}. ${error.advice}.` };
  }
}
