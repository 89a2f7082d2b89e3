/**
 * The agent's side of the conversation, as a pure state machine: what happened comes in with the time, what to do
 * goes out. It decides when to report, when the host counts as lost, and cuts each command into single changes, so
 * that the agent listens between two of them and a long command shows progress (pitfall 7).
 */
import { DECODER_START, type Decoded, type Decoder, decode } from "../protocol/frame.ts";
import {
  commonVersion,
  type GuestMessage,
  type HostMessage,
  MONITOR_VERSION,
  NO_ID,
  PROTOCOL_VERSIONS,
  TEXT_CHARS_MAX,
} from "../protocol/guest_messages.ts";
import { parseHostMessage } from "../protocol/parse_host_message.ts";
import { type Asker, heedGreeting } from "./asking.ts";
import type { GuestView } from "./guest_view.ts";
import type { MonitorConfig } from "./monitor_config.ts";
import {
  askWhenDue,
  type GlanceEvent,
  heedAdministrator,
  heedGlance,
  heedHostAnswer,
  heedSampled,
  type MonitorEffect,
  type Monitored,
  type Monitoring,
  obeyMonitor,
  rest,
  type SampleEvent,
  startMonitoring,
} from "./monitoring.ts";
import { type Change, changesFor, missingVcpus, type Wanted } from "./vcpu_changes.ts";

/** The new state, and effects to carry out in their order. */
export function step(session: Session, event: SessionEvent, nowMs: number): Stepped {
  const reacted = react(session, event, nowMs);
  const asked = isMonitorHeard(reacted.session)
    ? monitored(reacted.session, askWhenDue(reacted.session.monitoring, nowMs))
    : { session: reacted.session, effects: [] };
  const wake: Effect = { kind: "wake", atMs: wakeAt(asked.session) };
  return { session: asked.session, effects: [...reacted.effects, ...asked.effects, wake] };
}

export interface Session {
  /** What the guest says of itself in its hello. */
  readonly agent: string;
  readonly mechanisms: readonly ("offline" | "isolate")[];
  readonly decoder: Decoder;
  /** The host's hello on this connection, `null` before it came. */
  readonly greeting: {
    readonly session: string;
    readonly reportEveryMs: number;
    /** Of this conversation. */
    readonly version: number;
  } | null;
  readonly patienceMs: number;
  /** When the host was last heard of; at first, when the agent started. */
  readonly heardAtMs: number;
  readonly reportedAtMs: number;
  /** Something is not as found: the loss of the host would matter. */
  readonly holding: boolean;
  readonly work: Work | null;
  readonly monitoring: Monitoring;
}

/** A command that is being carried out. */
export interface Work {
  readonly id: number;
  readonly wanted: Wanted;
  /** Left to do; `null` until the guest was looked at. */
  readonly changes: readonly Change[] | null;
  readonly failed: readonly { readonly vcpu: number; readonly why: string }[];
  readonly startedMs: number;
}

export type SessionEvent =
  | { readonly kind: "connected" }
  | { readonly kind: "hung-up" }
  | { readonly kind: "bytes"; readonly chunk: Uint8Array }
  | { readonly kind: "woken" }
  | SampleEvent
  | GlanceEvent
  /** Not by the host's word. */
  | { readonly kind: "vcpus-changed" }
  /** A person in the guest wants one more vCPU (P-15). */
  | ({ readonly kind: "administrator-asked" } & Asker)
  /** The answer to the effect `look`. */
  | { readonly kind: "looked"; readonly view: GuestView }
  /** The answer to the effect `change`. */
  | {
      readonly kind: "changed";
      readonly change: Change;
      readonly why: string | null;
      readonly view: GuestView;
      readonly holding: boolean;
    }
  /** The answer to the effect `settle`. */
  | { readonly kind: "settled"; readonly holding: boolean }
  /** The answer to the effect `restore`. */
  | {
      readonly kind: "restored";
      readonly id: number | null;
      readonly view: GuestView;
      readonly holding: boolean;
    };

export type Effect =
  | { readonly kind: "start-stream" }
  | MonitorEffect
  /** Send a report of how things are now. */
  | { readonly kind: "report" }
  | { readonly kind: "remember-patience"; readonly patienceMs: number }
  | { readonly kind: "look" }
  /** Of a guest that looks like `view`. */
  | { readonly kind: "change"; readonly change: Change; readonly view: GuestView }
  /** After the last change, and after the answer: what the changes displaced goes where it belongs. */
  | { readonly kind: "settle" }
  | { readonly kind: "restore"; readonly id: number | null }
  /** Call again with `woken` then; `null`: no need. */
  | { readonly kind: "wake"; readonly atMs: number | null };

export interface Stepped {
  readonly session: Session;
  readonly effects: readonly Effect[];
}

/** A host that never said how patient to be: long enough for a daemon's restart. */
export const PATIENCE_DEFAULT_MS = 60_000;

/** A command that takes longer than this is interleaved with reports. */
const PROGRESS_EVERY_MS = 500;

export function startSession(start: {
  readonly agent: string;
  readonly mechanisms: readonly ("offline" | "isolate")[];
  readonly patienceMs: number;
  readonly holding: boolean;
  readonly monitor: MonitorConfig;
  /** Names this life of the agent, unlike any other of this guest. */
  readonly life: string;
  readonly nowMs: number;
}): Session {
  return {
    agent: start.agent,
    mechanisms: start.mechanisms,
    decoder: DECODER_START,
    greeting: null,
    patienceMs: start.patienceMs > 0 ? start.patienceMs : PATIENCE_DEFAULT_MS,
    heardAtMs: start.nowMs,
    reportedAtMs: start.nowMs,
    holding: start.holding,
    work: null,
    monitoring: startMonitoring(start.monitor, start.life),
  };
}

function react(session: Session, event: SessionEvent, nowMs: number): Stepped {
  switch (event.kind) {
    case "connected":
      return {
        session: { ...session, decoder: DECODER_START, greeting: null },
        effects: [{ kind: "start-stream" }, send(hello(session, ""))],
      };
    case "hung-up":
      return { session: { ...session, decoder: DECODER_START, greeting: null }, effects: [] };
    case "bytes":
      return hear(session, event.chunk, nowMs);
    case "woken":
      return wake(session, nowMs);
    case "glanced":
      return monitored(session, heedGlance(session.monitoring, event, nowMs));
    case "sampled":
      return monitored(session, heedSampled(session.monitoring, event, nowMs));
    case "vcpus-changed":
      return session.greeting === null ? { session, effects: [] } : reportNow(session, nowMs);
    case "administrator-asked":
      return monitored(session, heedAdministrator(session.monitoring, event, isMonitorHeard(session)));
    case "looked":
      return planWork(session, event.view, nowMs);
    case "changed":
      return goOn({ ...session, holding: event.holding }, event, nowMs);
    case "settled":
      return { session: { ...session, holding: event.holding }, effects: [] };
    case "restored": {
      const answer: GuestMessage[] =
        event.id === null ? [] : [{ kind: "restored", id: event.id, online: event.view.inUse }];
      return {
        session: { ...session, holding: event.holding },
        effects: [...answer.map(send), { kind: "report" }],
      };
    }
  }
}

function hear(session: Session, chunk: Uint8Array, nowMs: number): Stepped {
  const { decoder, items } = decode(session.decoder, chunk);
  let now: Session = { ...session, decoder };
  const effects: Effect[] = [];
  let faults = 0;
  for (const item of items) {
    // One answer per chunk is enough for a person to find the fault, and a flood of rubbish earns no flood of answers.
    if (item.kind === "fault" && ++faults > 1) continue;
    const stepped = item.kind === "fault" ? refuse(now, NO_ID, item.why) : hearFrame(now, item.value, nowMs);
    now = stepped.session;
    effects.push(...stepped.effects);
  }
  return { session: now, effects };
}

function hearFrame(session: Session, value: Frame, nowMs: number): Stepped {
  const result = parseHostMessage(value);
  if (result.ok) return obey({ ...session, heardAtMs: nowMs }, result.message, nowMs);
  // Two ends that answer refusals, or an echo, would never fall silent.
  if (value["kind"] === "refused") return { session, effects: [] };
  const id = value["id"];
  return refuse(
    session,
    typeof id === "number" && Number.isSafeInteger(id) && id >= 0 ? id : NO_ID,
    result.why,
  );
}

type Frame = Extract<Decoded, { kind: "frame" }>["value"];

function obey(session: Session, message: HostMessage, nowMs: number): Stepped {
  if (message.kind === "hello") return greet(session, message, nowMs);
  if (session.greeting === null) {
    return refuse(session, "id" in message ? message.id : NO_ID, "Say hello first");
  }
  switch (message.kind) {
    case "monitor":
    case "run-times":
    case "answer":
      return obeyLater(session, message, nowMs);
    case "ping": {
      const pong = send({ kind: "pong", id: message.id });
      // Awake as it is, the agent reports as well where that would be due before long.
      if (nowMs < session.reportedAtMs + session.greeting.reportEveryMs / 2)
        return { session, effects: [pong] };
      const reported = reportNow(session, nowMs);
      return { session: reported.session, effects: [pong, ...reported.effects] };
    }
    case "restore":
      return {
        session: { ...session, work: null },
        effects: [...supersede(session.work, message.id), { kind: "restore", id: message.id }],
      };
    case "set-online": {
      const wanted: Wanted = { online: message.online, mechanism: message.mechanism };
      return {
        session: {
          ...session,
          work: { id: message.id, wanted, changes: null, failed: [], startedMs: nowMs },
        },
        effects: [...supersede(session.work, message.id), { kind: "look" }],
      };
    }
  }
}

function reportNow(session: Session, nowMs: number): Stepped {
  return { session: { ...session, reportedAtMs: nowMs }, effects: [{ kind: "report" }] };
}

/** What came with MONITOR_VERSION is no part of an older conversation. */
function obeyLater(
  session: Session,
  message: HostMessage & { readonly kind: "monitor" | "run-times" | "answer" },
  nowMs: number,
): Stepped {
  if (!isMonitorHeard(session)) {
    const why = `${message.kind} belongs to version ${MONITOR_VERSION} of the protocol, which was not agreed on`;
    return refuse(session, "id" in message ? message.id : NO_ID, why);
  }
  switch (message.kind) {
    case "monitor":
      return monitored(session, obeyMonitor(session.monitoring, message));
    case "answer":
      return monitored(session, heedHostAnswer(session.monitoring, message, nowMs));
    case "run-times":
      return { session, effects: [{ kind: "run-times", vcpus: message.vcpus }] };
  }
}

function monitored(session: Session, { monitoring, effects }: Monitored): Stepped {
  return { session: { ...session, monitoring }, effects };
}

function isMonitorHeard({ greeting }: Session): boolean {
  return greeting !== null && MONITOR_VERSION <= greeting.version;
}

function greet(session: Session, message: HostMessage & { kind: "hello" }, nowMs: number): Stepped {
  const version = commonVersion(PROTOCOL_VERSIONS, message.versions);
  if (version === null) {
    const ours = PROTOCOL_VERSIONS.join(" to ");
    const theirs = message.versions.join(" to ");
    return refuse(session, NO_ID, `No common version: this agent speaks ${ours}, the host ${theirs}`);
  }
  const { monitoring, effects } =
    version < MONITOR_VERSION && session.monitoring.on
      ? rest(session.monitoring)
      : { monitoring: session.monitoring, effects: [] };
  return {
    session: {
      ...session,
      greeting: { session: message.session, reportEveryMs: message.reportEveryMs, version },
      patienceMs: message.patienceMs,
      reportedAtMs: nowMs,
      monitoring: { ...monitoring, asking: heedGreeting(monitoring.asking) },
    },
    effects: [
      ...effects,
      { kind: "remember-patience", patienceMs: message.patienceMs },
      send(hello(session, message.session)),
      { kind: "report" },
    ],
  };
}

function planWork(session: Session, view: GuestView, nowMs: number): Stepped {
  if (session.work === null) return { session, effects: [] };
  const { wanted } = session.work;
  const failed = missingVcpus(view, wanted).map((vcpu) => ({ vcpu, why: "The guest has no such vCPU" }));
  const work: Work = { ...session.work, changes: changesFor(view, wanted), failed };
  return continueWork(session, { work, view, nowMs });
}

function goOn(session: Session, event: SessionEvent & { kind: "changed" }, nowMs: number): Stepped {
  // The command may have been superseded while its change was under way.
  if (session.work?.changes?.[0] !== event.change) {
    return { session, effects: [{ kind: "settle" }, { kind: "report" }] };
  }
  const failed =
    event.why === null
      ? session.work.failed
      : [...session.work.failed, { vcpu: event.change.vcpu, why: event.why.slice(0, TEXT_CHARS_MAX) }];
  const work: Work = { ...session.work, changes: session.work.changes.slice(1), failed };
  return continueWork(session, { work, view: event.view, nowMs });
}

function continueWork(session: Session, at: { work: Work; view: GuestView; nowMs: number }): Stepped {
  const { work, view, nowMs } = at;
  const next = work.changes?.[0];
  if (next !== undefined) {
    const late = nowMs - Math.max(work.startedMs, session.reportedAtMs) >= PROGRESS_EVERY_MS;
    return {
      session: { ...session, work, reportedAtMs: late ? nowMs : session.reportedAtMs },
      effects: [...(late ? [{ kind: "report" } as const] : []), { kind: "change", change: next, view }],
    };
  }
  const answer: GuestMessage = {
    kind: "online-set",
    id: work.id,
    online: view.inUse,
    failed: work.failed,
    tookMicroseconds: Math.max(0, Math.round((nowMs - work.startedMs) * MICROSECONDS_PER_MS)),
  };
  return {
    session: { ...session, work: null, reportedAtMs: nowMs },
    effects: [send(answer), { kind: "settle" }, { kind: "report" }],
  };
}

const MICROSECONDS_PER_MS = 1_000;

function wake(session: Session, nowMs: number): Stepped {
  const effects: Effect[] = [];
  let now = session;
  if (now.greeting !== null && now.reportedAtMs + now.greeting.reportEveryMs <= nowMs) {
    now = { ...now, reportedAtMs: nowMs };
    effects.push({ kind: "report" });
  }
  const lateMs = nowMs - (now.heardAtMs + now.patienceMs);
  if (!wouldMissTheHost(now) || lateMs < 0) return { session: now, effects };
  // Either way the patience begins anew: a vCPU that would not come back is tried again after it.
  now = { ...now, heardAtMs: nowMs };
  if (lateMs >= STOPPED_MS) {
    const line = `This guest stood still for ${Math.round(lateMs)} ms or more: the host gets its patience anew`;
    return { session: now, effects: [...effects, { kind: "log", line }] };
  }
  const lost = `Host not heard of for ${now.patienceMs} ms`;
  if (now.monitoring.on) {
    const rested = monitored(now, rest(now.monitoring));
    now = rested.session;
    effects.push({ kind: "log", line: `${lost}: the load monitor stops` }, ...rested.effects);
  }
  if (!now.holding) return { session: now, effects };
  effects.push({ kind: "log", line: `${lost}: every vCPU comes back` }, { kind: "restore", id: null });
  return { session: { ...now, work: null }, effects };
}

/** Something is not as found, or is measured for the host. */
function wouldMissTheHost({ holding, monitoring }: Session): boolean {
  return holding || monitoring.on;
}

/**
 * A wake-up this late means that the guest itself was stopped (paused, migrated, starved): the silence then proves
 * nothing, and what the host said meanwhile still waits to be read.
 */
const STOPPED_MS = 1_000;

function wakeAt(session: Session): number | null {
  const times: number[] = [];
  if (session.greeting !== null) times.push(session.reportedAtMs + session.greeting.reportEveryMs);
  if (wouldMissTheHost(session)) times.push(session.heardAtMs + session.patienceMs);
  const { open } = session.monitoring.asking;
  if (open !== null && isMonitorHeard(session)) times.push(open.dueMs);
  return times.length === 0 ? null : Math.min(...times);
}

function supersede(work: Work | null, by: number): Effect[] {
  if (work === null) return [];
  return [send({ kind: "refused", id: work.id, why: `Superseded by command ${by} before it was done` })];
}

function refuse(session: Session, id: number, why: string): Stepped {
  return { session, effects: [send({ kind: "refused", id, why: why.slice(0, TEXT_CHARS_MAX) })] };
}

function hello(session: Session, name: string): GuestMessage {
  return {
    kind: "hello",
    versions: PROTOCOL_VERSIONS,
    agent: session.agent,
    session: name,
    mechanisms: session.mechanisms,
  };
}

function send(message: GuestMessage): Effect {
  return { kind: "send", message };
}
