/**
 * A timeline as a trace that ui.perfetto.dev opens (TrackEvent, perfetto.dev/docs/reference/synthetic-track-event):
 * a track per pCPU, and per domain one for each vCPU and each thread; slices are named after what runs or after the
 * cause; locks passed on and interrupts are flows between instants; numbers that change in steps are counter tracks.
 */
import { countersOf } from "./counters.ts";
import { ProtobufWriter } from "./protobuf.ts";
import type { Arrow, Timeline } from "./timeline.ts";

export function perfettoTrace(timeline: Timeline): Uint8Array {
  const tracks = new Tracks();
  const events: TraceEvent[] = [];
  const slice = (track: number, span: { from: number; to: number }, name: string, depth: number): void => {
    events.push({ at: span.from, track, order: BEGIN_ORDER + depth, type: TYPE_SLICE_BEGIN, name });
    events.push({ at: span.to, track, order: -depth, type: TYPE_SLICE_END });
  };

  const host = tracks.add("pCPUs", ROOT);
  for (const [p, spans] of timeline.pcpus.entries()) {
    const track = tracks.add(`pCPU ${p}`, host);
    for (const span of merged(spans)) {
      if (span.name !== "") slice(track, span, nameOnPcpu(span.name, timeline), 0);
    }
  }
  const counters = countersOf(timeline);
  const count = (domain: number | null, group: number): void => {
    for (const { name, points } of counters.filter((counter) => counter.domain === domain)) {
      const track = tracks.addCounter(name, group);
      for (const { at, value } of points)
        events.push({ at, track, order: COUNT_ORDER, type: TYPE_COUNTER, value });
    }
  };
  count(null, host);
  const vcpuTracks: number[][] = [];
  const threadTracks: number[][] = [];
  for (const [d, domain] of timeline.domains.entries()) {
    const group = tracks.add(domain.name, ROOT);
    count(d, group);
    vcpuTracks.push(
      domain.vcpus.map((spans, index) => {
        const track = tracks.add(`vCPU ${index}`, group);
        for (const span of merged(spans.map((each) => ({ ...each, runs: each.pcpu }))))
          if (span.name !== "") slice(track, span, `on pCPU ${span.name}`, 0);
        for (const span of spans) slice(track, span, span.cause, 1);
        return track;
      }),
    );
    threadTracks.push(
      domain.threads.map(({ name, spans }) => {
        const track = tracks.add(name, group);
        for (const span of spans) slice(track, span, span.cause, 0);
        return track;
      }),
    );
  }
  for (const [i, arrow] of timeline.arrows.entries()) {
    const of = (arrow.kind === "lock" ? threadTracks : vcpuTracks)[arrow.domain];
    const [leaves, arrives] = ARROW_NAMES[arrow.kind];
    const flow = i + 1;
    const { from, to } = arrow;
    events.push({
      at: from.at,
      track: of[from.index],
      order: LEAVE_ORDER,
      type: TYPE_INSTANT,
      name: leaves,
      leaves: flow,
    });
    events.push({
      at: to.at,
      track: of[to.index],
      order: ARRIVE_ORDER,
      type: TYPE_INSTANT,
      name: arrives,
      arrives: flow,
    });
  }
  // Neighbours on a track end before they begin, inner before outer; the sender of a flow stands before its receiver.
  events.sort((x, y) => x.at - y.at || x.order - y.order || x.track - y.track);
  return encode(tracks, events);
}

const ARROW_NAMES: Readonly<Record<Arrow["kind"], readonly [string, string]>> = {
  lock: ["passes lock", "gets lock"],
  "wake-up": ["sends wake-up", "gets wake-up"],
  shootdown: ["sends shootdown", "gets shootdown"],
};

interface TraceEvent {
  /** Nanoseconds. */
  readonly at: number;
  readonly track: number;
  /** Among events of one moment. */
  readonly order: number;
  readonly type: number;
  /** Of what has one: the ends of slices and counts have none. */
  readonly name?: string;
  /** Of a counter. */
  readonly value?: number;
  /** The flow that leaves here, or arrives. */
  readonly leaves?: number;
  readonly arrives?: number;
}

const COUNT_ORDER = 5;
const BEGIN_ORDER = 10;
const LEAVE_ORDER = 20;
const ARRIVE_ORDER = 21;

/** Neighbours with the same occupant as one span; the name is empty for nobody. */
function merged(
  spans: readonly { from: number; to: number; runs: unknown }[],
): { from: number; to: number; name: string }[] {
  const result: { from: number; to: number; name: string }[] = [];
  for (const { from, to, runs } of spans) {
    const name = runs === null ? "" : occupant(runs);
    const last = result.at(-1);
    if (last !== undefined && last.name === name && last.to === from) last.to = to;
    else result.push({ from, to, name });
  }
  return result;
}

function occupant(runs: unknown): string {
  if (typeof runs === "number") return String(runs);
  const { domain, vcpu } = runs as { readonly domain: number; readonly vcpu: number };
  return `${domain}/${vcpu}`;
}

/** "1/3" is "vm2 vCPU 3". */
function nameOnPcpu(name: string, timeline: Timeline): string {
  const [domain, vcpu] = name.split("/");
  return `${timeline.domains[Number(domain)].name} vCPU ${vcpu}`;
}

const ROOT = 0;

class Tracks {
  readonly all: {
    readonly uuid: number;
    readonly parent: number;
    readonly name: string;
    readonly counts: boolean;
  }[] = [];

  /** Tracks are shown in the order in which they are added. */
  add(name: string, parent: number, counts = false): number {
    const uuid = this.all.length + 1;
    this.all.push({ uuid, parent, name, counts });
    return uuid;
  }

  addCounter(name: string, parent: number): number {
    return this.add(name, parent, true);
  }
}

// Field numbers: protos/perfetto/trace/trace_packet.proto, track_event/*.proto, interned_data.proto.
const TRACE_PACKET = 1;
const PACKET_TIMESTAMP = 8;
const PACKET_SEQUENCE_ID = 10;
const PACKET_TRACK_EVENT = 11;
const PACKET_INTERNED_DATA = 12;
const PACKET_SEQUENCE_FLAGS = 13;
const PACKET_TRACK_DESCRIPTOR = 60;
const DESCRIPTOR_UUID = 1;
const DESCRIPTOR_NAME = 2;
const DESCRIPTOR_PARENT = 5;
const DESCRIPTOR_COUNTER = 8;
const DESCRIPTOR_CHILD_ORDERING = 11;
const DESCRIPTOR_RANK = 12;
const ORDERING_EXPLICIT = 3;
const EVENT_TYPE = 9;
const EVENT_NAME_ID = 10;
const EVENT_TRACK = 11;
const EVENT_FLOW_IDS = 47;
const EVENT_TERMINATING_FLOW_IDS = 48;
const EVENT_COUNTER_VALUE = 30;
const INTERNED_EVENT_NAMES = 2;
const NAME_ID = 1;
const NAME_TEXT = 2;
const TYPE_SLICE_BEGIN = 1;
const TYPE_SLICE_END = 2;
const TYPE_INSTANT = 3;
const TYPE_COUNTER = 4;
const FLAG_STATE_CLEARED = 1;
const FLAG_NEEDS_STATE = 2;
const SEQUENCE = 1;

function encode(tracks: Tracks, events: readonly TraceEvent[]): Uint8Array {
  const out = new ProtobufWriter();
  const names = new Map(
    [...new Set(events.flatMap(({ name }) => name ?? []))].map((name, i) => [name, i + 1]),
  );
  out.message(TRACE_PACKET, () => {
    out.varint(PACKET_SEQUENCE_ID, SEQUENCE);
    out.varint(PACKET_SEQUENCE_FLAGS, FLAG_STATE_CLEARED);
    out.message(PACKET_INTERNED_DATA, () => {
      for (const [name, id] of names) {
        out.message(INTERNED_EVENT_NAMES, () => {
          out.varint(NAME_ID, id);
          out.text(NAME_TEXT, name);
        });
      }
    });
  });
  for (const { uuid, parent, name, counts } of tracks.all) {
    out.message(TRACE_PACKET, () => {
      out.varint(PACKET_SEQUENCE_ID, SEQUENCE);
      out.message(PACKET_TRACK_DESCRIPTOR, () => {
        out.varint(DESCRIPTOR_UUID, uuid);
        out.text(DESCRIPTOR_NAME, name);
        if (parent !== ROOT) out.varint(DESCRIPTOR_PARENT, parent);
        // A counter without a unit: the message is there and empty.
        if (counts) out.message(DESCRIPTOR_COUNTER, () => {});
        out.varint(DESCRIPTOR_CHILD_ORDERING, ORDERING_EXPLICIT);
        out.varint(DESCRIPTOR_RANK, uuid);
      });
    });
  }
  for (const event of events) {
    out.message(TRACE_PACKET, () => {
      out.varint(PACKET_TIMESTAMP, event.at);
      out.varint(PACKET_SEQUENCE_ID, SEQUENCE);
      out.varint(PACKET_SEQUENCE_FLAGS, FLAG_NEEDS_STATE);
      out.message(PACKET_TRACK_EVENT, () => {
        out.varint(EVENT_TYPE, event.type);
        out.varint(EVENT_TRACK, event.track);
        if (event.name !== undefined) out.varint(EVENT_NAME_ID, names.get(event.name)!);
        if (event.value !== undefined) out.varint(EVENT_COUNTER_VALUE, event.value);
        if (event.leaves !== undefined) out.fixed64(EVENT_FLOW_IDS, event.leaves);
        if (event.arrives !== undefined) out.fixed64(EVENT_TERMINATING_FLOW_IDS, event.arrives);
      });
    });
  }
  return out.finish();
}
