import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { encode, FRAME_BYTES_MAX } from "./frame.ts";
import {
  commonVersion,
  FINDINGS_MAX,
  type GuestMessage,
  type HostMessage,
  INTERRUPTS_MAX,
  TEXT_CHARS_MAX,
  VCPUS_MAX,
} from "./guest_messages.ts";
import { parseGuestMessage } from "./parse_guest_message.ts";
import { parseHostMessage } from "./parse_host_message.ts";

const hostMessages: readonly HostMessage[] = [
  { kind: "hello", versions: [1, 1], session: "s1", reportEveryMs: 1_000, patienceMs: 10_000 },
  { kind: "set-online", id: 1, online: [0, 1, 3], mechanism: "offline" },
  { kind: "set-online", id: 2, online: [0], mechanism: "isolate" },
  { kind: "restore", id: 3 },
  { kind: "ping", id: 4 },
  {
    kind: "monitor",
    id: 5,
    on: true,
    measuresEveryMs: 0,
    thresholds: [{ measure: "vm.cycles", value: null }],
  },
  { kind: "run-times", vcpus: [{ vcpu: 0, runNs: 17 }] },
  { kind: "answer", request: "a-1", answer: { outcome: "granted", vcpu: 3, loan: false } },
  {
    kind: "answer",
    request: "a-2",
    answer: { outcome: "denied", code: "paused", why: "The domain is paused.", retryAfterMs: -1 },
  },
];

const vcpu = {
  vcpu: 1,
  online: true,
  isolated: false,
  canOffline: true,
  socket: 0,
  core: 1,
  node: 0,
  stealNs: -1,
};

const guestMessages: readonly GuestMessage[] = [
  { kind: "hello", versions: [1, 2], agent: "vbal-agent 0.1.0", session: "", mechanisms: ["offline"] },
  {
    kind: "report",
    vcpus: [{ ...vcpu, vcpu: 0, canOffline: false }, vcpu],
    preflight: [{ vcpu: 1, what: "pinned-task", detail: "oracle (pid 77) may run on vCPU 1 only" }],
  },
  {
    kind: "report",
    vcpus: [vcpu],
    preflight: [],
    interrupts: { atMs: 17, rescheduling: 5, calls: 0, shootdowns: 3 },
    cpuTime: { programsMs: 70, kernelMs: 0 },
    switches: { atMs: 17, total: 70_231 },
  },
  { kind: "online-set", id: 1, online: [0], failed: [{ vcpu: 1, why: "busy" }], tookMicroseconds: 20_000 },
  { kind: "restored", id: 3, online: [0, 1] },
  { kind: "pong", id: 4 },
  { kind: "refused", id: -1, why: "No common version" },
  {
    kind: "monitor-set",
    id: 5,
    unknown: ["vcpu.vibes"],
    inForce: [{ measure: "vm.cycles", value: null, origin: "file" }],
  },
  {
    kind: "measures",
    intervalMs: 1_000,
    measures: [{ measure: "vcpu.cycles", subjects: [0, 1], values: [2.5e9, null] }],
    degraded: ["Not measured"],
  },
  {
    kind: "request",
    request: "a-1",
    origin: "monitor",
    exceeded: { measure: "vm.composite", level: "vm", subject: -1, value: 1.5, threshold: 1 },
    target: { kind: "node", id: 1 },
  },
  {
    kind: "request",
    request: "a-2",
    origin: "administrator",
    exceeded: null,
    target: { kind: "proximity-domain", id: 0 },
  },
];

describe("every message passes, and fields of a later version are ignored", () => {
  test.each(hostMessages)("host: $kind", (message) => {
    expect(parseHostMessage({ ...message, addedLater: { x: 1 } })).toEqual({ ok: true, message });
  });
  test.each(guestMessages)("guest: $kind", (message) => {
    expect(parseGuestMessage({ ...message, addedLater: [] })).toEqual({ ok: true, message });
  });
});

describe("what is refused, and in which words", () => {
  const setOnline = hostMessages[1]!;
  const report = guestMessages[1]!;
  const monitor = hostMessages[5]!;
  const interrupts = { atMs: 17, rescheduling: 5, calls: 0, shootdowns: 3 };
  const measures = guestMessages.find(({ kind }) => kind === "measures")!;
  test.each([
    ["unknown kind", { kind: "dance" }, 'Unknown kind "dance"'],
    ["no kind", {}, "Unknown kind absent"],
    ["not an object", [], "message must be an object, not a list of 0"],
    [
      "vCPU 0 is never taken (pitfall 2)",
      { ...setOnline, online: [1] },
      "online must be a list that holds vCPU 0",
    ],
    ["no vCPU at all (pitfall 3)", { ...setOnline, online: [] }, "online must be a list that holds vCPU 0"],
    ["out of order", { ...setOnline, online: [0, 2, 1] }, "online must be in ascending order"],
    ["doubles", { ...setOnline, online: [0, 0] }, "online must be in ascending order"],
    [
      "vCPU number too high",
      { ...setOnline, online: [0, 1024] },
      "online[1] must be an integer from 0 to 1023",
    ],
    ["a fraction", { ...setOnline, online: [0, 0.5] }, "online[1] must be an integer"],
    ["a numeral", { ...setOnline, id: "1" }, 'id must be an integer from 0 to 9007199254740991, not "1"'],
    ["no id", { kind: "ping" }, "id must be an integer from 0 to 9007199254740991, not absent"],
    ["a negative id", { kind: "ping", id: -1 }, "id must be an integer"],
    ["unknown mechanism", { ...setOnline, mechanism: "magic" }, "mechanism must be one of offline, isolate"],
    [
      "versions upside down",
      { ...hostMessages[0], versions: [2, 1] },
      "versions must be a pair with min <= max",
    ],
    ["no patience", { ...hostMessages[0], patienceMs: 0 }, "patienceMs must be an integer from 1000"],
    [
      "a busy reporter",
      { ...hostMessages[0], reportEveryMs: 1 },
      "reportEveryMs must be an integer from 100",
    ],
    [
      "a threshold below zero",
      { ...monitor, thresholds: [{ measure: "x", value: -1 }] },
      "thresholds[0].value",
    ],
    [
      "a threshold without end",
      { ...monitor, thresholds: [{ measure: "x", value: 1e300 }] },
      "thresholds[0].value",
    ],
    [
      "a nameless threshold",
      { ...monitor, thresholds: [{ measure: "", value: 1 }] },
      "thresholds[0].measure",
    ],
    ["too many thresholds", { ...monitor, thresholds: Array(257).fill(null) }, "a list of at most 256"],
    [
      "measures too often",
      { ...monitor, measuresEveryMs: 99 },
      "measuresEveryMs must be an integer from 100",
    ],
    ["a negative run time", { kind: "run-times", vcpus: [{ vcpu: 0, runNs: -1 }] }, "vcpus[0].runNs"],
    [
      "an answer that is none",
      { kind: "answer", request: "a", answer: { outcome: "perhaps" } },
      "answer.outcome",
    ],
    ["no session", { ...hostMessages[0], session: "" }, "session must be a string of 1 to 64 characters"],
  ])("host: %s", (_, value, why) => {
    const result = parseHostMessage(value);
    expect(result.ok ? "passed" : result.why).toContain(why);
  });

  test.each([
    ["a host's message", { kind: "set-online", id: 1 }, 'Unknown kind "set-online"'],
    ["too many vCPUs", { ...report, vcpus: Array(1_025).fill(vcpu) }, "vcpus must be a list of at most 1024"],
    ["a vCPU twice", { ...report, vcpus: [vcpu, vcpu] }, "vcpus must be in ascending order"],
    [
      "infinite steal",
      { ...report, vcpus: [{ ...vcpu, stealNs: 1e300 }] },
      "vcpus[0].stealNs must be an integer",
    ],
    ["interrupts as a number", { ...report, interrupts: 7 }, "interrupts must be an object, not 7"],
    ["half of the interrupts", { ...report, interrupts: { atMs: 1 } }, "interrupts.rescheduling must be an"],
    [
      "fewer interrupts than none",
      { ...report, interrupts: { ...interrupts, calls: -1 } },
      "interrupts.calls must be an integer from 0 to 4398046510080, not -1",
    ],
    [
      "more interrupts than 1,024 kernel counters hold",
      { ...report, interrupts: { ...interrupts, shootdowns: 4_398_046_510_081 } },
      "interrupts.shootdowns must be an integer",
    ],
    [
      "a part of an interrupt",
      { ...report, interrupts: { ...interrupts, rescheduling: 0.5 } },
      "interrupts.rescheduling must be an integer",
    ],
    [
      "a time before boot",
      { ...report, interrupts: { ...interrupts, atMs: -1 } },
      "interrupts.atMs must be an integer from 0",
    ],
    ["a time as a text", { ...report, cpuTime: "7 s" }, 'cpuTime must be an object, not "7 s"'],
    [
      "programs without the kernel",
      { ...report, cpuTime: { programsMs: 70 } },
      "cpuTime.kernelMs must be an integer",
    ],
    [
      "programs that ran less than never",
      { ...report, cpuTime: { programsMs: -10, kernelMs: 0 } },
      "cpuTime.programsMs must be an integer from 0 to 9007199254740991, not -10",
    ],
    [
      "a part of a millisecond",
      { ...report, cpuTime: { programsMs: 70, kernelMs: 0.5 } },
      "cpuTime.kernelMs must be an integer",
    ],
    [
      "a time that cannot be told from the next",
      { ...report, cpuTime: { programsMs: 70, kernelMs: 2 ** 53 } },
      "cpuTime.kernelMs must be an integer",
    ],
    ["switches as a number", { ...report, switches: 7 }, "switches must be an object, not 7"],
    ["switches at no time", { ...report, switches: { total: 7 } }, "switches.atMs must be an integer"],
    ["a time without switches", { ...report, switches: { atMs: 7 } }, "switches.total must be an integer"],
    [
      "fewer switches than none",
      { ...report, switches: { atMs: 7, total: -1 } },
      "switches.total must be an integer from 0 to 9007199254740991, not -1",
    ],
    [
      "a part of a switch",
      { ...report, switches: { atMs: 7, total: 0.5 } },
      "switches.total must be an integer",
    ],
    [
      "switches that cannot be told from one more",
      { ...report, switches: { atMs: 7, total: 2 ** 53 } },
      "switches.total must be an integer",
    ],
    [
      "switches as a text",
      { ...report, switches: { atMs: 7, total: "7" } },
      "switches.total must be an integer",
    ],
    [
      "switches before boot",
      { ...report, switches: { atMs: -1, total: 7 } },
      "switches.atMs must be an integer from 0",
    ],
    ["a long tale", { kind: "refused", id: 1, why: "x".repeat(257) }, "why must be a string of 0 to 256"],
    [
      "a finding of its own making",
      { ...report, preflight: [{ vcpu: 1, what: "evil", detail: "" }] },
      "preflight[0].what",
    ],
    [
      "more values than subjects",
      { ...measures, measures: [{ measure: "x", subjects: [1], values: [1, 2] }] },
      "measures[0].values must be as many as subjects, 1",
    ],
    [
      "a subject twice",
      { ...measures, measures: [{ measure: "x", subjects: [1, 1], values: [1, 2] }] },
      "in ascending order",
    ],
    [
      "an infinite reading",
      { ...measures, measures: [{ measure: "x", subjects: [1], values: [Number.POSITIVE_INFINITY] }] },
      "measures[0].values[0] must be a number",
    ],
    [
      "more readings than a frame holds",
      {
        ...measures,
        measures: Array.from({ length: 15 }, () => ({
          measure: "x",
          subjects: Array.from({ length: 1_024 }, (_, i) => i),
          values: Array(1_024).fill(0) as number[],
        })),
      },
      "measures must be at most 14336 readings in all",
    ],
    ["prototype games", JSON.parse('{"__proto__":{"kind":"pong","id":1}}') as unknown, "Unknown kind absent"],
  ])("guest: %s", (_, value, why) => {
    const result = parseGuestMessage(value);
    expect(result.ok ? "passed" : result.why).toContain(why);
  });
});

test("no value whatever makes a parser throw, and a reason always fits into a `refused`", () => {
  const kinds = fc.constantFrom(
    "hello",
    "set-online",
    "restore",
    "ping",
    "report",
    "online-set",
    "pong",
    "refused",
    "monitor",
    "run-times",
    "answer",
    "monitor-set",
    "measures",
    "request",
  );
  const FIELDS =
    "id online versions vcpus interrupts cpuTime switches why measures thresholds request answer exceeded target".split(
      " ",
    );
  const value = fc.oneof(
    fc.anything(),
    fc
      .tuple(kinds, fc.dictionary(fc.constantFrom(...FIELDS), fc.anything()))
      .map(([kind, fields]) => ({ ...fields, kind })),
  );
  fc.assert(
    fc.property(value, (anything) => {
      for (const result of [parseHostMessage(anything), parseGuestMessage(anything)]) {
        expect(result.ok || result.why.length <= TEXT_CHARS_MAX).toBe(true);
      }
    }),
  );
});

test("the longest honest report fits into a frame", () => {
  const report: GuestMessage = {
    kind: "report",
    vcpus: Array.from({ length: VCPUS_MAX }, (_, i) => ({
      vcpu: i,
      online: false,
      isolated: false,
      canOffline: false,
      socket: i,
      core: i,
      node: i,
      stealNs: Number.MAX_SAFE_INTEGER,
    })),
    preflight: Array.from({ length: FINDINGS_MAX }, () => ({
      vcpu: 1_023,
      what: "kernel-isolated",
      detail: "x".repeat(TEXT_CHARS_MAX),
    })),
    interrupts: {
      atMs: Number.MAX_SAFE_INTEGER,
      rescheduling: INTERRUPTS_MAX,
      calls: INTERRUPTS_MAX,
      shootdowns: INTERRUPTS_MAX,
    },
    cpuTime: { programsMs: Number.MAX_SAFE_INTEGER, kernelMs: Number.MAX_SAFE_INTEGER },
    switches: { atMs: Number.MAX_SAFE_INTEGER, total: Number.MAX_SAFE_INTEGER },
  };
  expect(parseGuestMessage(report)).toEqual({ ok: true, message: report });
  expect(encode(report).length).toBeLessThanOrEqual(FRAME_BYTES_MAX);
});

test.each([
  ["the same", [1, 1], [1, 1], 1],
  ["the highest of both", [1, 3], [2, 5], 3],
  ["an older guest", [1, 4], [1, 2], 2],
  ["a guest too old", [3, 4], [1, 2], null],
  ["a guest too new", [1, 2], [3, 9], null],
] as const)("version: %s", (_, ours, theirs, expected) => {
  expect(commonVersion(ours, theirs)).toBe(expected);
});
