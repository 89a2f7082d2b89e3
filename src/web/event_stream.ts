/**
 * The daemon's server-sent events, read by fetch and not by EventSource, which cannot send a token. Each event is a
 * whole view; comments keep the connection alive.
 */
import type { StateView } from "../protocol/state_view.ts";
import { splitEvents } from "./split_events.ts";
import { authorization } from "./token.ts";

export type Ended = { readonly kind: "denied" } | { readonly kind: "lost"; readonly why: string };

/** Resolves when the stream is over; never rejects. */
export async function followEvents(onView: (view: StateView) => void): Promise<Ended> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), SILENCE_MAX_MS);
  try {
    const response = await fetch("/v1/events", { headers: authorization(), signal: silence.signal });
    if (response.status === 401 || response.status === 403) return { kind: "denied" };
    if (!response.ok || response.body === null) {
      return { kind: "lost", why: `The daemon answers ${response.status} ${response.statusText}` };
    }
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { kind: "lost", why: "The daemon ended the connection" };
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), SILENCE_MAX_MS);
      const { events, rest } = splitEvents(text + value);
      text = rest;
      const last = events.at(-1);
      // Only the newest of what came together is worth drawing.
      if (last !== undefined) onView(JSON.parse(last) as StateView);
    }
  } catch (error) {
    if (silence.signal.aborted) return { kind: "lost", why: "The daemon has said nothing for a while" };
    return { kind: "lost", why: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
  }
}

/** Three of the daemon's heartbeats. */
const SILENCE_MAX_MS = 45_000;
