/**
 * The host's end of the channel to vbal's own agent (protocol/guest_messages.ts), over the unix socket that QEMU
 * gives a virtio-serial port. The agent at the other end may come, go, start anew, talk nonsense or not at all; the
 * host trusts only what parses, and believes a report no longer than `REPORTS_MISSED_MAX` intervals.
 */
import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import type { BalloonMechanism } from "../../core/model.ts";
import type { Milliseconds, VcpuIndex } from "../../core/units.ts";
import { unreachable } from "../../core/unreachable.ts";
import { GUEST_PATIENCE_MS, REPORT_EVERY_MS } from "../../protocol/agent_pace.ts";
import { DECODER_START, type Decoder, decode, encode, FRAME_START } from "../../protocol/frame.ts";
import {
  commonVersion,
  type GuestMessage,
  type HostMessage,
  MONITOR_VERSION,
  NO_ID,
  PROTOCOL_VERSIONS,
} from "../../protocol/guest_messages.ts";
import { parseGuestMessage } from "../../protocol/parse_guest_message.ts";
import { keepConnected } from "../keep_connected.ts";
import { connectUnix } from "../line_socket.ts";
import { CommandError } from "../port.ts";
import type { Timers } from "../timers.ts";
import { createComplaints } from "./complaints.ts";
import { createFloodGate } from "./flood_gate.ts";
import type { GuestAsked, GuestChannel, GuestWord } from "./guest_channel.ts";
import { heedInterrupts, NO_INTERRUPTS } from "./interrupt_rate.ts";
import { heedCpuTime, NO_CPU_TIME } from "./kernel_part.ts";
import { createMonitorLink, type MonitorMessage } from "./monitor_link.ts";
import { heedSwitches, NO_SWITCHES } from "./switch_rate.ts";

export interface VbalAgentOptions extends VbalAgentPace {
  readonly path: string;
  readonly timers: Timers;
  /** The guest's word differs from the one before, or came, or went. */
  readonly onChange: () => void;
  /** The guest asks for a vCPU: REQUESTS_PER_SECOND_MAX times in a second at most. */
  readonly onRequest?: (asked: GuestAsked) => void;
}

/** What the agent is told in each greeting. */
export interface VbalAgentPace {
  /** How often it reports of its own accord. `REPORT_EVERY_MS` where not given. */
  readonly reportEveryMs?: Milliseconds;
  /** Not having heard from the host for this long, it gives itself every vCPU back. `GUEST_PATIENCE_MS` where not given. */
  readonly patienceMs?: Milliseconds;
}

/** A guest that speaks is pinged this often per patience: one lost ping is no loss, and more would cost both ends. */
const PINGS_PER_PATIENCE = 4;
/** A report older than so many intervals counts no more: the guest is silent. */
export const REPORTS_MISSED_MAX = 2;
/** A guest that does not speak is greeted this often at first. */
const GREET_EVERY_MS: Milliseconds = 3_000;
/** Greetings to a silent guest become rarer up to one in so many times that: unread ones pile up in the channel. */
export const GREETING_PAUSE_MAX = 16;
/** For the connection to QEMU's socket, which is on this machine. */
const CONNECT_DEADLINE_MS: Milliseconds = 2_000;
/** Nothing more is sent to a guest that has not read so much. */
const UNREAD_BYTES_MAX = 65_536;

export function createVbalAgentChannel(options: VbalAgentOptions): GuestChannel {
  const { path, timers, onChange } = options;
  const reportEveryMs = options.reportEveryMs ?? REPORT_EVERY_MS;
  const patienceMs = options.patienceMs ?? GUEST_PATIENCE_MS;
  const complaints = createComplaints(timers);
  const pending = new Map<number, Waiting>();
  let socket: Socket | null = null;
  let closed = false;
  let decoder: Decoder = DECODER_START;
  let session = "";
  let lastId = 0;
  /** From the guest's hello in this session; `null` until then. */
  let mechanisms: readonly BalloonMechanism[] | null = null;
  /** What both ends speak, from the same hello; 0 until then. */
  let version = 0;
  let word: GuestWord | null = null;
  let interrupts = NO_INTERRUPTS;
  let cpuTime = NO_CPU_TIME;
  let switches = NO_SWITCHES;
  let cancelStale: () => void = () => undefined;
  let greetingPause = 1;
  const greetEveryMs = Math.min(GREET_EVERY_MS, reportEveryMs);
  const pingEveryMs = Math.floor(patienceMs / PINGS_PER_PATIENCE);

  const gate = createFloodGate({
    timers,
    onFlood() {
      socket?.pause();
      complaints.add(
        "flood",
        (times) =>
          `The agent at ${path} sends too much; the rest of ${times} seconds was dropped. Restart it`,
      );
    },
    onCalm: () => void socket?.resume(),
  });

  const monitor = createMonitorLink({
    path,
    timers,
    complaints,
    send,
    nextId: () => ++lastId,
    onRequest: options.onRequest ?? (() => undefined),
    onSet() {
      if (word !== null) setWord({ ...word, report: withAsks(word.report, monitor.atWork()) });
    },
  });

  const kept = keepConnected({
    timers,
    async connect() {
      const connected = await connectUnix({ path, deadline: CONNECT_DEADLINE_MS, timers });
      if (closed) connected.destroy();
      else socket = connected;
      complaints.clear("connection");
      const ended = new Promise<Error>((resolve) => {
        let reason = new Error("the other end closed it");
        connected.on("error", (error) => {
          reason = error;
        });
        connected.on("close", () => resolve(reason));
      });
      connected.on("data", take);
      beginSession();
      return { ended };
    },
    onFailure(error) {
      socket?.destroy();
      socket = null;
      endSession(
        new CommandError(
          "connection-lost",
          `The channel ${path} to the guest's agent was lost: ${error.message}`,
        ),
      );
      complaints.add("connection", () => `No connection to the guest's agent at ${path}: ${error.message}`);
    },
  });

  let cancelTick: () => void = () => undefined;
  function tickIn(ms: Milliseconds): void {
    cancelTick();
    if (!closed) cancelTick = timers.after(ms, tick);
  }
  function tick(): void {
    if (mechanisms !== null) {
      send({ kind: "ping", id: ++lastId });
      tickIn(pingEveryMs);
    } else {
      hello();
      greetingPause = Math.min(2 * greetingPause, GREETING_PAUSE_MAX);
      tickIn(greetEveryMs * greetingPause);
    }
  }
  function greetSoon(): void {
    greetingPause = 1;
    tickIn(greetEveryMs);
  }

  function beginSession(): void {
    session = randomUUID();
    decoder = DECODER_START;
    lastId = 0;
    greetSoon();
    socket?.write(FRAME_START);
    hello();
  }
  function endSession(error: CommandError): void {
    for (const { reject } of pending.values()) reject(error);
    pending.clear();
    unhear();
  }
  /** What the guest said counts no more, until it answers a greeting. */
  function unhear(): void {
    if (mechanisms !== null) greetSoon();
    mechanisms = null;
    version = 0;
    monitor.close();
    interrupts = NO_INTERRUPTS;
    cpuTime = NO_CPU_TIME;
    switches = NO_SWITCHES;
    setWord(null);
  }
  function hello(): void {
    send({ kind: "hello", versions: PROTOCOL_VERSIONS, session, reportEveryMs, patienceMs });
  }
  /** `false`: there is nobody to send it to, or they do not read. */
  function send(message: HostMessage): boolean {
    if (socket === null || UNREAD_BYTES_MAX < socket.writableLength) return false;
    socket.write(encode(message));
    return true;
  }

  function take(chunk: Buffer): void {
    const admitted = gate.admitBytes(chunk.length);
    const decoded = decode(decoder, chunk.subarray(0, admitted));
    // What was cut off may have held the end of this line: the rest of it means nothing.
    decoder = admitted < chunk.length ? { line: "", skipping: true } : decoded.decoder;
    for (const item of decoded.items) {
      if (!gate.admitMessage()) return;
      if (item.kind === "fault") {
        garbage(item.why);
        continue;
      }
      const parsed = parseGuestMessage(item.value);
      if (parsed.ok) heed(parsed.message);
      else garbage(parsed.why);
    }
  }
  function garbage(why: string): void {
    complaints.add(
      "garbage",
      (times) =>
        `The agent at ${path} sent ${times} messages that make no sense, the last: ${why}. Is it vbal's agent?`,
    );
  }

  function heed(message: GuestMessage): void {
    switch (message.kind) {
      case "hello":
        heedHello(message);
        break;
      case "report":
        heedReport(message);
        break;
      case "online-set":
      case "restored":
        heedAnswer(message);
        break;
      case "refused":
        if (message.id === NO_ID) {
          complaints.add(
            "refused",
            () => `The agent at ${path} refuses to work with this host: ${message.why}`,
          );
        } else if (!heedAnswer(message) && !monitor.heedRefusal(message.id, message.why)) {
          // It refused a ping: an agent that started anew and waits for a greeting.
          unhear();
        }
        break;
      case "pong":
        break;
      case "monitor-set":
      case "measures":
      case "request":
        heedMonitor(message);
        break;
      default:
        unreachable(message);
    }
  }
  function heedAnswer(message: GuestMessage & { readonly id: number }): boolean {
    const asked = pending.get(message.id);
    pending.delete(message.id);
    asked?.resolve(message);
    return asked !== undefined;
  }
  function heedHello(message: GuestMessage & { readonly kind: "hello" }): void {
    const common = commonVersion(PROTOCOL_VERSIONS, message.versions);
    if (common === null) {
      unhear();
      complaints.add(
        "version",
        () =>
          `The agent at ${path} (${message.agent}) speaks versions ${message.versions.join(" to ")} of the protocol, ` +
          `this host ${PROTOCOL_VERSIONS.join(" to ")}: install the agent that belongs to this vbal in the guest`,
      );
      return;
    }
    complaints.clear("version");
    complaints.clear("refused");
    if (message.session === session) {
      mechanisms = message.mechanisms;
      version = common;
      tickIn(pingEveryMs);
      if (MONITOR_VERSION <= version) monitor.open();
      return;
    }
    // An agent that has just started, or that knows another host: it gets our greeting, and its word counts after it.
    unhear();
    greetSoon();
    hello();
  }
  function heedMonitor(message: MonitorMessage): void {
    if (mechanisms === null) return;
    if (MONITOR_VERSION <= version) monitor.heed(message);
    else garbage(`${message.kind} does not belong to version ${version} of the protocol`);
  }
  function heedReport(message: GuestMessage & { readonly kind: "report" }): void {
    if (mechanisms === null) return;
    cancelStale();
    cancelStale = timers.after(REPORTS_MISSED_MAX * reportEveryMs, unhear);
    interrupts = heedInterrupts(interrupts, message);
    cpuTime = heedCpuTime(cpuTime, message);
    switches = heedSwitches(switches, message);
    setWord({
      report: withAsks(
        {
          agent: "vbal-agent",
          mechanisms,
          vcpus: message.vcpus.map((vcpu) => ({
            index: vcpu.vcpu,
            online: vcpu.online && !vcpu.isolated,
            canOffline: vcpu.canOffline && vcpu.vcpu !== 0,
          })),
        },
        monitor.atWork(),
      ),
      steal: new Map(
        message.vcpus.filter((vcpu) => 0 <= vcpu.stealNs).map((vcpu) => [vcpu.vcpu, vcpu.stealNs]),
      ),
      uids: new Map(
        message.vcpus.flatMap(({ vcpu, uid }) => (uid === undefined ? [] : [[vcpu, uid] as const])),
      ),
      interruptsPerSecond: interrupts.perSecond,
      switchesPerSecond: switches.perSecond,
      inKernel: cpuTime.inKernel,
      preflight: message.preflight,
    });
  }
  function setWord(next: GuestWord | null): void {
    const changed = JSON.stringify(next?.report) !== JSON.stringify(word?.report);
    if (next === null) cancelStale();
    word = next;
    if (changed && !closed) onChange();
  }

  function answerTo(
    message: HostMessage & { readonly id: number },
    signal: AbortSignal,
  ): Promise<GuestMessage> {
    return new Promise((resolve, reject) => {
      pending.set(message.id, { resolve, reject });
      gate.expectAnswer();
      signal.addEventListener("abort", () => {
        pending.delete(message.id);
        reject(signal.reason as Error);
      });
      if (send(message)) return;
      pending.delete(message.id);
      reject(
        new CommandError("guest-silent", `The agent at ${path} does not read what it is sent; restart it`),
      );
    });
  }

  return {
    word: () => word,
    problems: () => complaints.list(),
    async setOnline(online, mechanism, signal) {
      if (mechanisms === null) {
        throw new CommandError(
          "guest-silent",
          `The agent at ${path} does not speak; is it running in the guest?`,
        );
      }
      if (!mechanisms.includes(mechanism)) {
        throw new CommandError(
          "guest-refused",
          `The guest at ${path} cannot ${mechanism} vCPUs, only ${mechanisms.join(" or ") || "report them"}`,
        );
      }
      const answer = await answerTo({ kind: "set-online", id: ++lastId, online, mechanism }, signal);
      if (answer.kind === "online-set") {
        const [failure] = answer.failed;
        complaints.clear("kept");
        if (failure !== undefined) {
          complaints.add(
            "kept",
            () => `The guest at ${path} left vCPU ${failure.vcpu} as it was: ${failure.why}`,
          );
        }
        if (word !== null) setWord({ ...word, report: withOnline(word.report, answer.online) });
        return answer.online;
      }
      const why = answer.kind === "refused" ? answer.why : `an answer of the wrong kind, ${answer.kind}`;
      throw new CommandError(
        "guest-refused",
        `The guest at ${path} did not use vCPUs ${online.join(",")}: ${why}`,
      );
    },
    setMonitor: (settings) => monitor.set(settings),
    runTimes: (vcpus) => monitor.runTimes(vcpus),
    answer: (request, answer) => monitor.answer(request, answer),
    load: () => monitor.load(),
    greet() {
      if (mechanisms !== null) return;
      greetSoon();
      hello();
    },
    // A greeting is answered by a report, and says nothing new to an agent that knows it.
    refresh() {
      if (mechanisms !== null) hello();
    },
    forget() {
      endSession(new CommandError("connection-lost", `The guest at ${path} was reset during the command`));
      if (socket !== null) beginSession();
    },
    close() {
      closed = true;
      kept.stop();
      cancelTick();
      cancelStale();
      monitor.close();
      gate.stop();
      socket?.destroy();
      socket = null;
      for (const { reject } of pending.values())
        reject(new CommandError("connection-lost", `${path} was closed by vbal`));
      pending.clear();
    },
  };
}

/** Who waits for the answer to a command. */
interface Waiting {
  readonly resolve: (message: GuestMessage) => void;
  readonly reject: (error: Error) => void;
}

function withOnline(report: GuestWord["report"], online: readonly VcpuIndex[]): GuestWord["report"] {
  return { ...report, vcpus: report.vcpus.map((vcpu) => ({ ...vcpu, online: online.includes(vcpu.index) })) };
}

/** `asks` stands there only when it is so, as in reports of agents that never ask. */
function withAsks(report: GuestWord["report"], asks: boolean): GuestWord["report"] {
  const { asks: _, ...rest } = report;
  return asks ? { ...rest, asks } : rest;
}
