/**
 * What happened in a window of a run, as spans: for each pCPU who ran there, for each vCPU and each thread its cause
 * at every moment. Made from the trace (metrics/trace.ts), which records changes.
 */

import type { SimulationConfig } from "../config.ts";
import type { Controller } from "../host/control.ts";
import { CAUSES, type Cause } from "../metrics/causes.ts";
import { resultOf } from "../metrics/result.ts";
import { TRACE_IPI, TRACE_LOCK, TRACE_TASK, TRACE_VCPU } from "../metrics/trace.ts";
import { runWorld } from "../run.ts";
import { IRQ_SHOOTDOWN, NOBODY, VCPU_HALTED, VCPU_OFFLINE, VCPU_RUNNING } from "../tables.ts";
import { createWorld, type World } from "../world.ts";

/** Nanoseconds; `from` inclusive, `to` exclusive. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

export interface Timeline extends Span {
  readonly pcpus: readonly (readonly PcpuSpan[])[];
  readonly domains: readonly DomainTimeline[];
  readonly arrows: readonly Arrow[];
  /** Changes that the trace had no room for; the end of the window is missing when it is not 0. */
  readonly lost: number;
}

export interface DomainTimeline {
  readonly name: string;
  readonly vcpus: readonly (readonly VcpuSpan[])[];
  readonly threads: readonly ThreadTimeline[];
}

export interface ThreadTimeline {
  readonly name: string;
  readonly spans: readonly ThreadSpan[];
}

/** On a pCPU: a vCPU, or nobody, perhaps though a vCPU waits somewhere. */
export interface PcpuSpan extends Span {
  readonly runs: { readonly domain: number; readonly vcpu: number; readonly cause: VcpuCause } | null;
  readonly isIdleWhileWaiting: boolean;
}

/** A thread's cause, or what a vCPU without a thread does. */
export type VcpuCause = Cause | "idle" | "offline";

export interface VcpuSpan extends Span {
  readonly cause: VcpuCause;
  /** Where it runs; null when it does not. */
  readonly pcpu: number | null;
}

export interface ThreadSpan extends Span {
  readonly cause: Cause;
  /** Index of the vCPU in its domain. */
  readonly vcpu: number;
}

/** A lock passed from thread to thread, or an interrupt from vCPU to vCPU; it arrives when the receiver runs. */
export interface Arrow {
  readonly kind: "lock" | "wake-up" | "shootdown";
  readonly domain: number;
  readonly from: { readonly at: number; readonly index: number };
  readonly to: { readonly at: number; readonly index: number };
}

export interface TimelineOptions extends Span {
  readonly controller?: Controller;
  /** Room for so many changes: 21 bytes each. */
  readonly records: number;
}

/** Runs the simulation up to the end of the window, and recounts the window. */
export function recordTimeline(config: SimulationConfig, options: TimelineOptions): Timeline {
  const until = { ...config.until, at: Math.min(config.until.at, options.to) };
  const world = createWorld({ ...config, until, traceRecords: options.records });
  runWorld(world, options.controller === undefined ? {} : { controller: options.controller });
  // Closing the books records what every thread was doing last.
  resultOf(world);
  return timelineOf(world, { from: options.from, to: Math.min(options.to, world.now) });
}

function timelineOf(w: World, window: Span): Timeline {
  const trace = w.trace!;
  const threads = threadSpans(w);
  const states = vcpuStates(w);
  const vcpus = states.map((spans, v) => causesOf(spans, onVcpu(w, threads, v)));
  const waiting = whenSomebodyWaits(states);
  return {
    ...window,
    pcpus: Array.from({ length: w.pcpus.count }, (_, p) => clip(pcpuSpans(w, vcpus, waiting, p), window)),
    domains: w.domains.names.map((name, d) => ({
      name,
      vcpus: vcpus
        .slice(w.domains.firstVcpu[d], w.domains.firstVcpu[d] + w.domains.vcpuCount[d])
        .map((spans) => clip(spans, window)),
      threads: threadNames(w, d).map((thread, i) => ({
        name: thread,
        spans: clip(threads[w.domains.firstTask[d] + i], window).map(({ vcpu, ...span }) => ({
          ...span,
          vcpu: w.vcpus.index[vcpu],
        })),
      })),
    })),
    arrows: arrowsOf(w, threads, states).filter(({ from }) => window.from <= from.at && from.at < window.to),
    lost: trace.lost,
  };
}

/** "worker 0", "worker 1", or "thread 0" for groups without a name. */
function threadNames(w: World, d: number): string[] {
  const names: string[] = [];
  for (const { name, count } of w.config.domains[d].workload.tasks) {
    for (let i = 0; i < count; i++)
      names.push(`${name ?? "thread"} ${name === undefined ? names.length : i}`);
  }
  return names;
}

/** By thread, whole numbers for vCPUs. */
function threadSpans(w: World): ThreadSpan[][] {
  const { time, what, entity, a, b, length } = w.trace!;
  const builders = Array.from(
    { length: w.tasks.count },
    () => new SpanBuilder<Omit<ThreadSpan, keyof Span>>(),
  );
  for (let i = 0; i < length; i++) {
    if (what[i] === TRACE_TASK) builders[entity[i]].begin(time[i], { cause: CAUSES[a[i]], vcpu: b[i] });
  }
  return builders.map((builder) => builder.end(w.now));
}

interface StateSpan extends Span {
  readonly state: number;
  readonly pcpu: number;
}

function vcpuStates(w: World): StateSpan[][] {
  const { time, what, entity, a, b, length } = w.trace!;
  const builders = Array.from(
    { length: w.vcpus.count },
    () => new SpanBuilder<Omit<StateSpan, keyof Span>>(),
  );
  for (const builder of builders) builder.begin(0, { state: VCPU_OFFLINE, pcpu: NOBODY });
  for (let i = 0; i < length; i++) {
    if (what[i] === TRACE_VCPU) builders[entity[i]].begin(time[i], { state: a[i], pcpu: b[i] });
  }
  return builders.map((builder) => builder.end(w.now));
}

/** Turns beginnings into spans: each lasts until the next, equal neighbours are one, empty ones are none. */
class SpanBuilder<Content extends object> {
  private readonly spans: (Span & Content)[] = [];
  private at = 0;
  private content: Content | null = null;

  begin(at: number, content: Content): void {
    if (this.content !== null && isEqual(this.content, content)) return;
    this.close(at);
    this.at = at;
    this.content = content;
  }

  end(at: number): (Span & Content)[] {
    this.close(at);
    return this.spans;
  }

  private close(to: number): void {
    if (this.content === null || to <= this.at) return;
    const last = this.spans.at(-1);
    if (last !== undefined && last.to === this.at && isEqual(this.content, last)) {
      this.spans[this.spans.length - 1] = { ...last, to };
    } else {
      this.spans.push({ from: this.at, to, ...this.content });
    }
  }
}

/** Every field of `a` is the same in `b`. */
function isEqual<Content extends object>(a: Content, b: Content): boolean {
  return (Object.keys(a) as (keyof Content)[]).every((key) => a[key] === b[key]);
}

/** What the threads did on this vCPU or while they waited with it for a pCPU, in the order of time. */
function onVcpu(w: World, threads: readonly ThreadSpan[][], v: number): ThreadSpan[] {
  const d = w.vcpus.domain[v];
  return threads
    .slice(w.domains.firstTask[d], w.domains.firstTask[d] + w.domains.taskCount[d])
    .flatMap((spans) => spans.filter(({ vcpu, cause }) => vcpu === v && !NOT_ON_VCPU.has(cause)))
    .sort((x, y) => x.from - y.from || x.to - y.to);
}

const NOT_ON_VCPU: ReadonlySet<Cause> = new Set(["queued", "blocked", "sleeping", "off"]);
const WAITING: ReadonlySet<Cause> = new Set(["steal", "co-stopped", "parked"]);

/** Cuts a vCPU's states by the causes of its threads; what no thread accounts for is the guest's kernel, or a wait. */
function causesOf(states: readonly StateSpan[], threads: readonly ThreadSpan[]): VcpuSpan[] {
  const builder = new SpanBuilder<Omit<VcpuSpan, keyof Span>>();
  let next = 0;
  for (const { from, to, state, pcpu } of states) {
    if (state === VCPU_OFFLINE || state === VCPU_HALTED) {
      builder.begin(from, { cause: state === VCPU_OFFLINE ? "offline" : "idle", pcpu: null });
      continue;
    }
    const runs = state === VCPU_RUNNING;
    const where = runs ? pcpu : null;
    const otherwise: VcpuCause = runs ? "kernel" : "steal";
    let at = from;
    while (next < threads.length && threads[next].to <= from) next++;
    for (let i = next; i < threads.length && threads[i].from < to; i++) {
      const thread = threads[i];
      // Several threads may wait with one vCPU: the first that fits says why.
      if (WAITING.has(thread.cause) === runs || thread.to <= at) continue;
      if (at < thread.from) builder.begin(at, { cause: otherwise, pcpu: where });
      builder.begin(Math.max(at, thread.from), { cause: thread.cause, pcpu: where });
      at = Math.min(to, thread.to);
    }
    if (at < to) builder.begin(at, { cause: otherwise, pcpu: where });
  }
  return builder.end(states.at(-1)?.to ?? 0);
}

/** The spans in which at least one vCPU is runnable and does not run. */
function whenSomebodyWaits(states: readonly (readonly StateSpan[])[]): Span[] {
  const changes = states
    .flat()
    .filter(({ state }) => state !== VCPU_RUNNING && state !== VCPU_OFFLINE && state !== VCPU_HALTED)
    .flatMap(({ from, to }) => [
      { at: from, change: 1 },
      { at: to, change: -1 },
    ])
    .sort((x, y) => x.at - y.at || y.change - x.change);
  const spans: Span[] = [];
  let waiting = 0;
  let since = 0;
  for (const { at, change } of changes) {
    if (waiting === 0) since = at;
    waiting += change;
    if (waiting === 0 && since < at) spans.push({ from: since, to: at });
  }
  return spans;
}

function pcpuSpans(w: World, vcpus: readonly VcpuSpan[][], waiting: readonly Span[], p: number): PcpuSpan[] {
  const used = vcpus
    .flatMap((spans, v) =>
      spans
        .filter(({ pcpu }) => pcpu === p)
        .map(({ from, to, cause }): PcpuSpan => {
          const runs = { domain: w.vcpus.domain[v], vcpu: w.vcpus.index[v], cause };
          return { from, to, runs, isIdleWhileWaiting: false };
        }),
    )
    .sort((x, y) => x.from - y.from);
  const spans: PcpuSpan[] = [];
  let at = 0;
  for (const span of [...used, { from: w.now, to: w.now }]) {
    if (at < span.from) spans.push(...idleSpans({ from: at, to: span.from }, waiting));
    if ("runs" in span) spans.push(span);
    at = span.to;
  }
  return spans;
}

function idleSpans(idle: Span, waiting: readonly Span[]): PcpuSpan[] {
  const builder = new SpanBuilder<Omit<PcpuSpan, keyof Span>>();
  builder.begin(idle.from, { runs: null, isIdleWhileWaiting: false });
  for (const { from, to } of clip(waiting, idle)) {
    builder.begin(from, { runs: null, isIdleWhileWaiting: true });
    if (to < idle.to) builder.begin(to, { runs: null, isIdleWhileWaiting: false });
  }
  return builder.end(idle.to);
}

function clip<S extends Span>(spans: readonly S[], window: Span): S[] {
  return spans
    .filter(({ from, to }) => from < window.to && window.from < to)
    .map((span) => ({ ...span, from: Math.max(span.from, window.from), to: Math.min(span.to, window.to) }));
}

/**
 * Who passed what to whom. A lock was passed when its new holder had been waiting for it; it arrives when that thread
 * computes, which with a preempted waiter is later. An interrupt arrives when the target is on a pCPU.
 */
function arrowsOf(w: World, threads: readonly ThreadSpan[][], states: readonly StateSpan[][]): Arrow[] {
  const { time, what, entity, a, b, length } = w.trace!;
  const holder = new Int32Array(w.locks.count).fill(NOBODY);
  const cause = Array.from<unknown, Cause>({ length: w.tasks.count }, () => "off");
  const arrows: Arrow[] = [];
  for (let i = 0; i < length; i++) {
    const at = time[i];
    if (what[i] === TRACE_TASK) {
      cause[entity[i]] = CAUSES[a[i]];
    } else if (what[i] === TRACE_LOCK) {
      const before = holder[entity[i]];
      const taker = a[i];
      holder[entity[i]] = taker;
      if (before === NOBODY || before === taker || !HAD_WAITED.has(cause[taker])) continue;
      const arrives = firstFrom(threads[taker], at, ({ cause }) => cause === "kernel" || cause === "user");
      const first = w.domains.firstTask[w.tasks.domain[taker]];
      arrows.push({
        kind: "lock",
        domain: w.tasks.domain[taker],
        from: { at, index: before - first },
        to: { at: arrives ?? at, index: taker - first },
      });
    } else if (what[i] === TRACE_IPI) {
      arrows.push({
        kind: b[i] === IRQ_SHOOTDOWN ? "shootdown" : "wake-up",
        domain: w.vcpus.domain[entity[i]],
        from: { at, index: w.vcpus.index[a[i]] },
        to: {
          at: firstFrom(states[entity[i]], at, ({ state }) => state === VCPU_RUNNING) ?? at,
          index: w.vcpus.index[entity[i]],
        },
      });
    }
  }
  return arrows;
}

const HAD_WAITED: ReadonlySet<Cause> = new Set([
  "spin",
  "spin-holder-preempted",
  "spin-waiter-preempted",
  "blocked",
  "steal",
  "co-stopped",
  "parked",
]);

/** The first moment from `at` on that lies in a span of that kind. */
function firstFrom<S extends Span>(
  spans: readonly S[],
  at: number,
  fits: (span: S) => boolean,
): number | null {
  let low = 0;
  for (let high = spans.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if (spans[middle].to <= at) low = middle + 1;
    else high = middle;
  }
  for (let i = low; i < spans.length; i++) if (fits(spans[i])) return Math.max(at, spans[i].from);
  return null;
}
