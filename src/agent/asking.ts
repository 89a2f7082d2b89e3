/**
 * What the guest asks the host for, one request at a time (P-12), as pure functions over plain data. A request keeps its
 * id until it is answered, however often it is said again and whatever becomes of the host meanwhile, so a lost answer
 * never leads to a second grant. After an answer the load monitor pauses; a person (P-15) is next in line and does not.
 */
import type { GuestMessage, HostMessage } from "../protocol/guest_messages.ts";
import { WHOLE_VM } from "../protocol/guest_messages.ts";
import type { Request } from "./monitor/detect.ts";

export interface Asking {
  /** Begins every id; no other life of the agent has the same, in this boot of the guest or another. */
  readonly life: string;
  /** How many requests this life has made. */
  readonly made: number;
  /** Made and not answered yet. */
  readonly open: OpenRequest | null;
  /** People who wait for their turn, first come first served; ASKERS_MAX at most. */
  readonly line: readonly Asker[];
  /** Granted to the monitor and not online yet. */
  readonly arriving: { readonly vcpu: number; readonly sinceMs: number } | null;
  /** The monitor makes no request before then. */
  readonly quietUntilMs: number;
  /** The monitor's requests that were denied since a grant, or since the load was gone. */
  readonly denials: number;
}

export type RequestMessage = GuestMessage & { readonly kind: "request" };
export type AnswerMessage = HostMessage & { readonly kind: "answer" };

export interface OpenRequest {
  readonly message: RequestMessage;
  /** The person who waits for the answer; `null`: the monitor. */
  readonly asker: string | null;
  /** The host may know of it. */
  readonly isSaid: boolean;
  /** Since the host's last greeting. */
  readonly tries: number;
  /** When to say it (again); -Infinity: as soon as the host listens. */
  readonly dueMs: number;
}

export interface Asker {
  readonly asker: string;
  readonly target: RequestMessage["target"];
}

/** Commands that wait in the same guest at once; more than this is a script gone wild. */
export const ASKERS_MAX = 8;
/** A host decides with its next look, within a second; then it may have been busy, or away: twice as long each time. */
export const RETRY_FIRST_MS = 2_000;
export const RETRY_MAX_MS = 30_000;
/** After a denial that names no time: twice as long each time, for as long as the load lasts. */
export const DENIED_FIRST_MS = 5_000;
export const DENIED_MAX_MS = 60_000;
/** A granted vCPU that has not come online by then does not keep the next request back. */
export const ARRIVAL_MAX_MS = 30_000;
/** A vCPU that came online needs so long to take its part of the load, before which nobody knows whether it is enough. */
export const SETTLE_MS = 3_000;

export function startAsking(life: string): Asking {
  return {
    life,
    made: 0,
    open: null,
    line: [],
    arriving: null,
    quietUntilMs: Number.NEGATIVE_INFINITY,
    denials: 0,
  };
}

/** From when on the monitor could make a request; Infinity while the last one is under way. */
export function asksFromMs({ open, arriving, quietUntilMs }: Asking): number {
  return open !== null || arriving !== null ? Number.POSITIVE_INFINITY : quietUntilMs;
}

/** What the monitor found, and which vCPUs were online all the time. */
export function heedSample(asking: Asking, sample: Found, nowMs: number): Asking {
  const now = arrived(asking, sample.online, nowMs);
  if (sample.isCalm) return calm(now, nowMs);
  if (sample.request === null || now.open !== null || now.arriving !== null || nowMs < now.quietUntilMs)
    return now;
  const { measure, level, subject, value, threshold, node } = sample.request;
  return opened(now, null, {
    origin: "monitor",
    exceeded: { measure, level, subject: subject ?? WHOLE_VM, value, threshold },
    target: node === null ? null : { kind: "node", id: node },
  });
}

export interface Found {
  /** Nothing exceeds its threshold: the load is gone. */
  readonly isCalm: boolean;
  readonly request: Request | null;
  readonly online: readonly number[];
}

/** A person asks; `null` when too many wait already. */
export function heedAsker(asking: Asking, asker: Asker): Asking | null {
  if (ASKERS_MAX <= asking.line.length) return null;
  return nextInLine({ ...asking, line: [...asking.line, asker] });
}

/** The request that was answered is closed; an answer to anything else is an old one, and nothing happens. */
export function heedAnswer(asking: Asking, { request, answer }: AnswerMessage, nowMs: number): Answered {
  const { open } = asking;
  if (open === null || open.message.request !== request) return { asking, closed: null };
  const closed = { ...asking, open: null };
  return { asking: nextInLine(open.asker === null ? after(closed, answer, nowMs) : closed), closed: open };
}

export interface Answered {
  readonly asking: Asking;
  readonly closed: OpenRequest | null;
}

/** The request that should be said now. */
export function sayDue(
  asking: Asking,
  nowMs: number,
): { readonly asking: Asking; readonly message: RequestMessage | null; readonly isFirst: boolean } {
  const { open } = asking;
  if (open === null || nowMs < open.dueMs) return { asking, message: null, isFirst: false };
  const dueMs = nowMs + Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(open.tries, DOUBLINGS_MAX));
  return {
    asking: { ...asking, open: { ...open, isSaid: true, tries: open.tries + 1, dueMs } },
    message: open.message,
    isFirst: !open.isSaid,
  };
}

/** A host is there, perhaps a new one: what is open is said at once, under the same id. */
export function heedGreeting(asking: Asking): Asking {
  if (asking.open === null) return asking;
  return { ...asking, open: { ...asking.open, tries: 0, dueMs: Number.NEGATIVE_INFINITY } };
}

/** Enough to reach either greatest pause; keeps the power a number. */
const DOUBLINGS_MAX = 10;

function opened(
  asking: Asking,
  asker: string | null,
  what: Omit<RequestMessage, "kind" | "request">,
): Asking {
  const made = asking.made + 1;
  const message: RequestMessage = { kind: "request", request: `${asking.life}-${made}`, ...what };
  return {
    ...asking,
    made,
    open: { message, asker, isSaid: false, tries: 0, dueMs: Number.NEGATIVE_INFINITY },
  };
}

function nextInLine(asking: Asking): Asking {
  const [first, ...line] = asking.line;
  // What the monitor has asked and nobody heard yet makes way: nothing can come of it.
  const isFree = asking.open === null || (asking.open.asker === null && !asking.open.isSaid);
  if (first === undefined || !isFree) return asking;
  const { asker, target } = first;
  return opened({ ...asking, line }, asker, { origin: "administrator", exceeded: null, target });
}

function after(asking: Asking, answer: AnswerMessage["answer"], nowMs: number): Asking {
  if (answer.outcome === "granted") {
    return { ...asking, denials: 0, arriving: { vcpu: answer.vcpu, sinceMs: nowMs } };
  }
  const ownMs = Math.min(DENIED_MAX_MS, DENIED_FIRST_MS * 2 ** Math.min(asking.denials, DOUBLINGS_MAX));
  const pauseMs = 0 <= answer.retryAfterMs ? answer.retryAfterMs : ownMs;
  return { ...asking, denials: asking.denials + 1, quietUntilMs: nowMs + pauseMs };
}

function arrived(asking: Asking, online: readonly number[], nowMs: number): Asking {
  if (asking.arriving === null) return asking;
  if (online.includes(asking.arriving.vcpu)) {
    return { ...asking, arriving: null, quietUntilMs: nowMs + SETTLE_MS };
  }
  return nowMs < asking.arriving.sinceMs + ARRIVAL_MAX_MS ? asking : { ...asking, arriving: null };
}

/** The load is gone: the next one is another load, which nobody has denied anything. */
function calm(asking: Asking, nowMs: number): Asking {
  const isUnsaid = asking.open !== null && asking.open.asker === null && !asking.open.isSaid;
  const open = isUnsaid ? null : asking.open;
  const quietUntilMs =
    asking.denials === 0 ? asking.quietUntilMs : Math.min(asking.quietUntilMs, nowMs + SETTLE_MS);
  return { ...asking, open, denials: 0, quietUntilMs };
}
