/** The session with the load monitor: stories between a guest that is short of vCPUs and its host. */
import { describe, expect, test } from "vitest";
import { encode } from "../protocol/frame.ts";
import type { GuestMessage, HostMessage } from "../protocol/guest_messages.ts";
import { parseGuestMessage } from "../protocol/parse_guest_message.ts";
import {
  ARRIVAL_MAX_MS,
  ASKERS_MAX,
  asksFromMs,
  DENIED_FIRST_MS,
  RETRY_FIRST_MS,
  SETTLE_MS,
} from "./asking.ts";
import type { Request } from "./monitor/detect.ts";
import { loadOf } from "./monitor/load_suite.ts";
import { measureAll } from "./monitor/measured.ts";
import { MONITOR_DEFAULTS } from "./monitor_config.ts";
import { type Effect, type Session, type SessionEvent, startSession, step } from "./session.ts";

const HELLO: HostMessage = {
  kind: "hello",
  versions: [1, 2],
  session: "s1",
  reportEveryMs: 60_000,
  patienceMs: 60_000,
};
const ON: HostMessage = { kind: "monitor", id: 1, on: true, measuresEveryMs: 1_000, thresholds: [] };
const OFF: HostMessage = { ...ON, id: 2, on: false };
const SHORT: Request = {
  origin: "monitor",
  measure: "node.composite",
  level: "node",
  subject: 1,
  value: 1.5,
  threshold: 1,
  node: 1,
};

/** A guest with vCPUs 0 and 1; `short` says whether its monitor finds too few. */
class Story {
  session: Session;
  nowMs = 1_000;
  online = [0, 1];
  effects: Effect[] = [];
  /** The host's end of the conversation. */
  heard: GuestMessage[] = [];

  constructor() {
    this.session = startSession({
      agent: "vbal-agent test",
      mechanisms: ["offline"],
      patienceMs: 0,
      holding: false,
      monitor: MONITOR_DEFAULTS,
      life: "life",
      nowMs: this.nowMs,
    });
    this.feed({ kind: "connected" });
  }
  feed(event: SessionEvent): void {
    const { session, effects } = step(this.session, event, this.nowMs);
    this.session = session;
    for (const effect of effects) {
      this.effects.push(effect);
      if (effect.kind !== "send" && effect.kind !== "send-measures") continue;
      const taken = parseGuestMessage(effect.message);
      if (!taken.ok) throw new Error(`The agent sent something that no host accepts: ${taken.why}`);
      this.heard.push(effect.message);
    }
  }
  say(...messages: readonly HostMessage[]): void {
    for (const message of messages) this.feed({ kind: "bytes", chunk: encode(message) });
  }
  /** One sample a second for so long. */
  sample(seconds: number, short: boolean): void {
    for (let i = 0; i < seconds; i++) {
      this.nowMs += 1_000;
      this.feed(this.sampled(short));
    }
  }
  sampled(short: boolean): SessionEvent & { readonly kind: "sampled" } {
    const vcpus = this.online.map((vcpu) => loadOf(vcpu));
    const sample = { atMs: this.nowMs, intervalMs: 1_000, vcpus, measured: measureAll(vcpus) };
    const request = short ? SHORT : null;
    return { kind: "sampled", sample, isWhole: true, exceeds: short, request, degraded: [] };
  }
  /** Time passes, the session is woken when it wants to be. */
  pass(ms: number): void {
    const endMs = this.nowMs + ms;
    for (let wakeMs = this.wakeMs(); wakeMs <= endMs; wakeMs = this.wakeMs()) {
      this.nowMs = Math.max(this.nowMs, wakeMs);
      this.feed({ kind: "woken" });
    }
    this.nowMs = endMs;
  }
  wakeMs(): number {
    const wake = this.effects.findLast((effect) => effect.kind === "wake");
    return wake?.atMs ?? Number.POSITIVE_INFINITY;
  }
  deny(request: string, retryAfterMs = -1): void {
    this.say({
      kind: "answer",
      request,
      answer: { outcome: "denied", code: "no-free-pcpu", why: "None is free.", retryAfterMs },
    });
  }
  grant(request: string, vcpu = 2): void {
    this.say({ kind: "answer", request, answer: { outcome: "granted", vcpu, loan: false } });
  }
  requests(): string[] {
    return this.heard.flatMap((message) => (message.kind === "request" ? [message.request] : []));
  }
  log(): string[] {
    return this.effects.flatMap((effect) => (effect.kind === "log" ? [effect.line] : []));
  }
  told(): string[] {
    return this.effects.flatMap((effect) =>
      effect.kind === "tell-asker" ? [`${effect.asker} ${effect.verdict.outcome}`] : [],
    );
  }
  count(kind: Effect["kind"]): number {
    return this.effects.filter((effect) => effect.kind === kind).length;
  }
}

function greeted(): Story {
  const story = new Story();
  story.say(HELLO, ON);
  return story;
}

describe("the host's wish", () => {
  test("the monitor is off until the host turns it on, and confirms what is in force", () => {
    const story = new Story();
    story.say(HELLO);
    expect(story.count("monitor")).toBe(0);
    story.say(ON);
    expect(story.count("monitor")).toBe(1);
    expect(story.heard.at(-1)).toMatchObject({ kind: "monitor-set", id: 1, unknown: [] });
    story.say(OFF);
    expect(story.count("stop-monitor")).toBe(1);
  });

  test("P-57..P-61: the host's thresholds win, unknown ones are named, and each change stands in the log", () => {
    const story = new Story();
    const thresholds = [
      { measure: "vcpu.composite", value: 2 },
      { measure: "vcpu.vibes", value: 1 },
    ];
    story.say(HELLO, { ...ON, thresholds });
    const set = story.heard.at(-1);
    expect(set).toMatchObject({ kind: "monitor-set", unknown: ["vcpu.vibes"] });
    expect(set?.kind === "monitor-set" && set.inForce).toContainEqual({
      measure: "vcpu.composite",
      value: 2,
      origin: "host",
    });
    expect(story.log()).toContain("Threshold vcpu.composite: 1 (default) becomes 2 (host)");
    story.say(ON);
    expect(story.log()).toContain("Threshold vcpu.composite: 2 (host) becomes 1 (default)");
  });

  test("measures are sent as often as the host wants them, and not at all for 0", () => {
    const story = greeted();
    story.sample(4, false);
    const count = (): number => story.heard.filter(({ kind }) => kind === "measures").length;
    expect(count()).toBe(4);
    story.say({ ...ON, measuresEveryMs: 2_000 });
    story.sample(4, false);
    expect(count()).toBe(6);
    story.say({ ...ON, measuresEveryMs: 0 });
    story.sample(4, false);
    expect(count()).toBe(6);
  });

  test.each([
    { guest: "where threads wait too long", threads: 2, exceeds: true, nextMs: 1_000 },
    { guest: "that works, and nobody waits", threads: 0.9, exceeds: false, nextMs: 6_000 },
    { guest: "that idles", threads: 0.1, exceeds: false, nextMs: 18_000 },
    { guest: "of which not everything is known", threads: null, exceeds: false, nextMs: 6_000 },
  ])("a guest $guest shows measures again in $nextMs ms", ({ threads, exceeds, nextMs }) => {
    const story = new Story();
    story.say(HELLO, ON);
    const vcpus = [loadOf(0), loadOf(1, { "runnable-threads": threads })];
    const sampled = story.sampled(false);
    story.feed({ ...sampled, exceeds, sample: { ...sampled.sample, vcpus } });
    expect(story.heard.findLast(({ kind }) => kind === "measures")).toMatchObject({ nextMs });
  });

  test("a host that is not heard of for its patience is lost: the monitor stops", () => {
    const story = greeted();
    story.feed({ kind: "hung-up" });
    story.pass(59_999);
    expect(story.count("stop-monitor")).toBe(0);
    story.pass(1);
    expect(story.count("stop-monitor")).toBe(1);
    expect(story.log()).toContain("Host not heard of for 60000 ms: the load monitor stops");
  });

  test("a host of version 1 is never sent anything of version 2, and its monitor message is refused", () => {
    const story = greeted();
    story.sample(1, true);
    story.feed({ kind: "hung-up" });
    story.feed({ kind: "connected" });
    story.heard = [];
    story.say({ ...HELLO, versions: [1, 1] });
    story.sample(5, true);
    story.pass(50_000);
    story.feed({ kind: "administrator-asked", asker: "77", target: null });
    expect(story.heard.map(({ kind }) => kind)).toEqual(["hello"]);
    expect(story.count("stop-monitor")).toBe(1);
    expect(story.told()).toEqual(["77 denied"]);
    story.say(ON);
    expect(story.heard.at(-1)).toMatchObject({ kind: "refused", id: 1 });
  });
});

describe("asking (P-12)", () => {
  test("a guest that is short asks once, naming node, measure and threshold (P-13, P-66)", () => {
    const story = greeted();
    story.sample(1, true);
    expect(story.heard.findLast(({ kind }) => kind === "request")).toEqual({
      kind: "request",
      request: "life-1",
      origin: "monitor",
      exceeded: { measure: "node.composite", level: "node", subject: 1, value: 1.5, threshold: 1 },
      target: { kind: "node", id: 1 },
    });
    expect(story.log()).toContain("Request life-1 for a vCPU in node 1: node.composite of 1 is 1.50, over 1");
  });

  test("without an answer it says the same request again, ever more rarely", () => {
    const story = new Story();
    story.say({ ...HELLO, reportEveryMs: 3_600_000, patienceMs: 86_400_000 }, ON);
    story.sample(1, true);
    const pauses: number[] = [];
    for (let i = 0; i < 6; i++) {
      const beforeMs = story.nowMs;
      story.nowMs = story.wakeMs();
      story.feed({ kind: "woken" });
      pauses.push(story.nowMs - beforeMs);
    }
    expect(pauses).toEqual([RETRY_FIRST_MS, 4_000, 8_000, 16_000, 30_000, 30_000]);
    expect(story.requests()).toHaveLength(7);
    expect(new Set(story.requests())).toEqual(new Set(["life-1"]));
  });

  test("a lost answer never grants twice: also a host that began anew hears the same id, even when the load is gone", () => {
    const story = greeted();
    story.sample(1, true);
    story.feed({ kind: "hung-up" });
    story.sample(3, false);
    story.feed({ kind: "connected" });
    story.say({ ...HELLO, session: "s2" }, ON);
    expect(story.requests()).toEqual(["life-1", "life-1"]);
    story.grant("life-1");
    story.grant("life-1");
    story.online = [0, 1, 2];
    story.sample(10, false);
    expect(story.requests()).toEqual(["life-1", "life-1"]);
  });

  test("what nobody has heard yet is dropped when the load is gone", () => {
    const story = greeted();
    story.feed({ kind: "hung-up" });
    story.sample(1, true);
    story.sample(1, false);
    story.feed({ kind: "connected" });
    story.say(HELLO);
    expect(story.requests()).toEqual([]);
  });

  test("after a grant it asks again only when the vCPU is online and has had time to take its part", () => {
    const story = greeted();
    story.sample(1, true);
    story.grant("life-1");
    story.sample(5, true);
    expect(story.requests()).toEqual(["life-1"]);
    story.online = [0, 1, 2];
    story.sample(SETTLE_MS / 1_000, true);
    expect(story.requests()).toEqual(["life-1"]);
    story.sample(1, true);
    expect(story.requests()).toEqual(["life-1", "life-2"]);
  });

  test("a granted vCPU that never comes online holds nothing up for ever", () => {
    const story = greeted();
    story.sample(1, true);
    story.grant("life-1");
    story.sample(ARRIVAL_MAX_MS / 1_000 - 1, true);
    expect(story.requests()).toEqual(["life-1"]);
    story.sample(1, true);
    expect(story.requests()).toEqual(["life-1", "life-2"]);
  });

  test.each([
    { said: "the host's own time", retryAfterMs: 7_000, expected: 7 },
    { said: "its own pause where the host names none", retryAfterMs: -1, expected: DENIED_FIRST_MS / 1_000 },
  ])("a denial: it waits $said", ({ retryAfterMs, expected }) => {
    const story = greeted();
    story.sample(1, true);
    story.deny("life-1", retryAfterMs);
    story.sample(expected - 1, true);
    expect(story.requests()).toEqual(["life-1"]);
    story.sample(1, true);
    expect(story.requests()).toEqual(["life-1", "life-2"]);
  });

  test("denied again and again it asks ever more rarely; once the load was gone it begins anew", () => {
    const story = greeted();
    story.sample(1, true);
    const pauses: number[] = [];
    for (let i = 1; i <= 6; i++) {
      story.deny(`life-${i}`);
      pauses.push(secondsTo(story, `life-${i + 1}`));
    }
    expect(pauses).toEqual([5, 10, 20, 40, 60, 60]);
    story.deny("life-7");
    story.sample(1, false);
    expect(secondsTo(story, "life-8")).toBe(SETTLE_MS / 1_000);
  });

  test("between denials it may only glance; the first look after that, which proves nothing yet, is not the load's end", () => {
    const story = greeted();
    story.sample(1, true);
    for (const request of ["life-1", "life-2"]) {
      story.deny(request);
      story.feed({ kind: "glanced", online: [0], isCalm: false });
      story.feed({ ...story.sampled(false), exceeds: true });
      secondsTo(story, `life-${Number(request.at(-1)) + 1}`);
    }
    story.deny("life-3");
    expect(secondsTo(story, "life-4")).toBe(20);
    // A glance that shows that the load is gone ends it.
    story.deny("life-4");
    story.feed({ kind: "glanced", online: [0], isCalm: true });
    expect(secondsTo(story, "life-5")).toBe(SETTLE_MS / 1_000);
  });

  test("nothing could be asked for while a request is open, a vCPU is on its way, or the host said when to come again", () => {
    const story = greeted();
    const asksFrom = (): number => asksFromMs(story.session.monitoring.asking);
    expect(asksFrom()).toBe(Number.NEGATIVE_INFINITY);
    story.sample(1, true);
    expect(asksFrom()).toBe(Number.POSITIVE_INFINITY);
    story.deny("life-1");
    expect(asksFrom()).toBe(story.nowMs + 5_000);
  });

  function secondsTo(story: Story, request: string): number {
    const startMs = story.nowMs;
    while (!story.requests().includes(request)) story.sample(1, true);
    return (story.nowMs - startMs) / 1_000;
  }
});

describe("a person in the guest (P-15)", () => {
  const ask = (story: Story, asker: string): void =>
    story.feed({ kind: "administrator-asked", asker, target: { kind: "proximity-domain", id: 1 } });

  test("asks without any measure, also with the monitor off, and hears the answer", () => {
    const story = new Story();
    story.say(HELLO);
    ask(story, "77");
    expect(story.heard.at(-1)).toEqual({
      kind: "request",
      request: "life-1",
      origin: "administrator",
      exceeded: null,
      target: { kind: "proximity-domain", id: 1 },
    });
    story.grant("life-1");
    expect(story.told()).toEqual(["77 granted"]);
  });

  test("is next, before the monitor and in spite of its pause; one request at a time", () => {
    const story = greeted();
    story.sample(1, true);
    ask(story, "1");
    ask(story, "2");
    expect(story.requests()).toEqual(["life-1"]);
    story.deny("life-1", 60_000);
    story.sample(1, true);
    expect(story.requests()).toEqual(["life-1", "life-2"]);
    story.grant("life-2");
    story.deny("life-3");
    expect(story.told()).toEqual(["1 granted", "2 denied"]);
  });

  test("is told at once when no host is there, or when too many wait", () => {
    const story = new Story();
    ask(story, "5");
    story.say(HELLO);
    for (let i = 0; i < ASKERS_MAX + 2; i++) ask(story, `${10 + i}`);
    expect(story.told()).toEqual(["5 denied", `${10 + ASKERS_MAX + 1} denied`]);
  });
});
