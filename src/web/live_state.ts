/**
 * What the page knows: the daemon's last view, and whether it still comes. Everything on the page is a function of
 * these signals, so that nothing is fetched twice and nothing is shown as current that is not.
 */
import { computed, signal } from "@preact/signals";
import type { DomainView, StateView } from "../protocol/state_view.ts";
import { followEvents } from "./event_stream.ts";

export type Connection =
  | { readonly kind: "connecting" }
  | { readonly kind: "live" }
  /** The last view stays on the page, marked as old. */
  | { readonly kind: "lost"; readonly sinceMs: number; readonly why: string }
  /** The daemon wants a token, or another one. */
  | { readonly kind: "denied" };

export const connection = signal<Connection>({ kind: "connecting" });
export const view = signal<StateView | null>(null);
/** The domain whose panel is open. */
export const selected = signal<string | null>(null);
/** Only domains whose name holds this are listed. */
export const filter = signal("");

export const selectedDomain = computed<DomainView | null>(
  () => view.value?.domains.find(({ name }) => name === selected.value) ?? null,
);

/** Each domain's number, which gives it its colour and its key on the map. */
export const domainNumbers = computed<ReadonlyMap<string, number>>(
  () => new Map(view.value?.domains.map(({ name }, number) => [name, number])),
);

/** Follows the daemon for as long as the page is open; a lost connection is tried again, ever more seldom. */
export async function follow(): Promise<never> {
  for (let failures = 0; ; failures += 1) {
    let came = false;
    const ended = await followEvents((next) => {
      came = true;
      view.value = next;
      connection.value = { kind: "live" };
    });
    if (came) failures = 0;
    if (ended.kind === "denied") {
      connection.value = ended;
      await tokenWasGiven();
      connection.value = { kind: "connecting" };
      failures = -1;
      continue;
    }
    const before = connection.value;
    const sinceMs = before.kind === "lost" ? before.sinceMs : Date.now();
    connection.value = { kind: "lost", sinceMs, why: ended.why };
    await pause(Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** Math.max(0, failures)));
  }
}

const RETRY_MS = 500;
/** Somebody who restarts the daemon looks at the page; half a minute would seem broken. */
const RETRY_MAX_MS = 5_000;

let wakeUp: () => void = () => undefined;

function tokenWasGiven(): Promise<void> {
  return new Promise((resolve) => {
    wakeUp = resolve;
  });
}

/** To be called when a token was typed in. */
export function tryAgain(): void {
  wakeUp();
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
