/**
 * The stock QEMU guest agent as a guest channel: polled, because it never speaks of its own accord. Before each
 * exchange after a fault, guest-sync-delimited throws away whatever an earlier one left in the channel. Source:
 * QEMU's qga/qapi-schema.json. It can only `offline`, and its confirmation is the list read back afterwards.
 */
import { z } from "zod";
import type { BalloonMechanism } from "../../core/model.ts";
import type { Milliseconds, Nanoseconds, VcpuIndex } from "../../core/units.ts";
import { abortable } from "../command_queue.ts";
import { keepConnected } from "../keep_connected.ts";
import { connectLines, type LineSocket } from "../line_socket.ts";
import { CommandError } from "../port.ts";
import type { Timers } from "../timers.ts";
import { createComplaints } from "./complaints.ts";
import { createFloodGate } from "./flood_gate.ts";
import type { GuestChannel, GuestWord } from "./guest_channel.ts";

export interface QemuGuestAgentOptions {
  readonly path: string;
  readonly timers: Timers;
  /** `false` while a better channel speaks for this guest: then it is not polled. */
  readonly isNeeded: () => boolean;
  readonly onChange: () => void;
}

/** Each poll costs the guest a few file reads per vCPU. */
export const POLL_EVERY_MS: Milliseconds = 2_000;
/** For one answer: a busy guest under emulation needs a good part of a second. */
export const ANSWER_DEADLINE_MS: Milliseconds = 3_000;
/** A guest without an agent is asked no more often than this. */
export const SILENT_POLL_EVERY_MS: Milliseconds = 10_000;
/** A guest that stirs is asked this much later, so that it cannot make us ask without end. */
const STIR_MS: Milliseconds = 100;
/** A list of 1,024 vCPUs with their times has some 300 bytes each. */
const LINE_BYTES_MAX = 1_048_576;
const NANOSECONDS_PER_MILLISECOND = 1_000_000;

export function createQemuGuestAgent(options: QemuGuestAgentOptions): GuestChannel {
  const { path, timers, isNeeded, onChange } = options;
  const complaints = createComplaints(timers);
  let socket: LineSocket | null = null;
  let inSync = false;
  let lastSync = 0;
  let closed = false;
  let word: GuestWord | null = null;
  /** Agents before QEMU 7.1 have no account of steal time. */
  let hasCpuStats = true;
  let answer: ((line: string) => void) | null = null;
  let stirred = false;
  /** One exchange at a time: the protocol has no ids. */
  let turn: Promise<unknown> = Promise.resolve();

  const gate = createFloodGate({
    timers,
    onFlood() {
      socket?.pause();
      complaints.add(
        "flood",
        (times) => `${path} sends too much; the rest of ${times} seconds was dropped. Restart its agent`,
      );
    },
    onCalm: () => socket?.resume(),
  });

  const kept = keepConnected({
    timers,
    async connect() {
      let end!: (error: Error) => void;
      const ended = new Promise<Error>((resolve) => {
        end = resolve;
      });
      const connected = await connectLines({
        path,
        deadline: ANSWER_DEADLINE_MS,
        timers,
        lineBytesMax: LINE_BYTES_MAX,
        admit: (bytes) => gate.admitBytes(bytes),
        onLine: hear,
        onOversize: () =>
          complaints.add("garbage", () => `${path} sent a line of more than ${LINE_BYTES_MAX} bytes`),
        onClose: end,
      });
      if (closed) {
        connected.close();
        return { ended: Promise.resolve(new Error("closed by vbal")) };
      }
      complaints.clear("connection");
      socket = connected;
      inSync = false;
      hasCpuStats = true;
      pollSoon(0);
      return { ended };
    },
    onFailure(error) {
      socket = null;
      setWord(null);
      complaints.add("connection", () => `No connection to the guest agent at ${path}: ${error.message}`);
    },
  });

  function hear(line: string): void {
    if (answer !== null) answer(line);
    else if (word === null && !stirred) {
      // An answer that nobody waits for any longer: an agent has come to life.
      stirred = true;
      pollSoon(STIR_MS);
    }
  }

  let cancelPoll: () => void = () => undefined;
  function pollSoon(delay: Milliseconds): void {
    cancelPoll();
    cancelPoll = timers.after(delay, () => void poll());
  }
  async function poll(): Promise<void> {
    if (closed) return;
    stirred = false;
    if (socket !== null && isNeeded()) await alone(readWord).catch(() => setWord(null));
    if (!closed) pollSoon(word === null ? SILENT_POLL_EVERY_MS : POLL_EVERY_MS);
  }

  function setWord(next: GuestWord | null): void {
    const changed = JSON.stringify(next?.report) !== JSON.stringify(word?.report);
    word = next;
    if (changed && !closed) onChange();
  }

  /** Runs one exchange after those before it; whatever goes wrong in it, the next one begins with a sync. */
  function alone<T>(exchange: () => Promise<T>): Promise<T> {
    const mine = turn.then(async () => {
      try {
        if (!inSync) await sync();
        return await exchange();
      } catch (error) {
        if (!(error instanceof GuestAgentError)) inSync = false;
        throw error;
      }
    });
    turn = mine.catch(() => undefined);
    return mine;
  }

  /** The byte 0xFF makes the agent's parser start afresh, and its answer begins with one; all before that is old. */
  async function sync(): Promise<void> {
    const id = ++lastSync;
    const request = Buffer.from(
      `${JSON.stringify({ execute: "guest-sync-delimited", arguments: { id } })}\n`,
    );
    await exchangeLine(Buffer.concat([Buffer.of(0xff), request]), (line) => {
      const at = line.lastIndexOf(DELIMITER);
      const returned = at === -1 ? null : parseReturn(line.slice(at + 1));
      return returned?.return === id ? true : null;
    });
    inSync = true;
  }

  async function ask<Shape extends z.ZodType>(
    execute: string,
    args: object,
    shape: Shape,
  ): Promise<z.infer<Shape>> {
    const returned = await exchangeLine(`${JSON.stringify({ execute, arguments: args })}\n`, parseReturn);
    if (returned.error !== undefined)
      throw new GuestAgentError(`${execute} at ${path}: ${returned.error.desc}`);
    const parsed = shape.safeParse(returned.return);
    if (parsed.success) return parsed.data;
    throw new Error(`${execute} at ${path} returned something unexpected: ${z.prettifyError(parsed.error)}`);
  }

  /** Sends, and waits for a line in which `pick` finds something. */
  function exchangeLine<T>(bytes: string | Uint8Array, pick: (line: string) => T | null): Promise<T> {
    return new Promise((resolve, reject) => {
      const cancel = timers.after(ANSWER_DEADLINE_MS, () => {
        answer = null;
        const message = `The guest agent at ${path} did not answer within ${ANSWER_DEADLINE_MS} ms; is it running?`;
        reject(new CommandError("guest-silent", message));
      });
      answer = (line) => {
        const picked = pick(line);
        if (picked === null) return;
        cancel();
        answer = null;
        resolve(picked);
      };
      if (socket?.send(bytes) === true) return;
      cancel();
      answer = null;
      reject(new CommandError("guest-silent", `The guest agent at ${path} does not read what it is sent`));
    });
  }

  async function readWord(): Promise<void> {
    const vcpus = await ask("guest-get-vcpus", {}, vcpusShape);
    const steal = hasCpuStats ? await readSteal() : new Map<VcpuIndex, Nanoseconds>();
    setWord({
      report: {
        agent: "qemu-guest-agent",
        mechanisms: ["offline"],
        vcpus: vcpus
          .map((vcpu) => ({
            index: vcpu["logical-id"],
            online: vcpu.online,
            canOffline: vcpu["can-offline"] && vcpu["logical-id"] !== 0,
          }))
          .sort((a, b) => a.index - b.index),
      },
      steal,
      preflight: [],
    });
  }
  async function readSteal(): Promise<Map<VcpuIndex, Nanoseconds>> {
    try {
      const stats = await ask("guest-get-cpustats", {}, cpuStatsShape);
      return new Map(
        stats
          .filter((entry) => entry.steal !== undefined)
          .map((entry) => [entry.cpu, entry.steal! * NANOSECONDS_PER_MILLISECOND]),
      );
    } catch (error) {
      if (!(error instanceof GuestAgentError)) throw error;
      hasCpuStats = false;
      return new Map();
    }
  }

  async function setOnline(
    online: readonly VcpuIndex[],
    mechanism: BalloonMechanism,
    signal: AbortSignal,
  ): Promise<readonly VcpuIndex[]> {
    if (mechanism !== "offline") {
      throw new CommandError(
        "guest-refused",
        `The stock guest agent at ${path} cannot ${mechanism} vCPUs, only offline`,
      );
    }
    const exchange = alone(async () => {
      signal.throwIfAborted();
      await readWord();
      const before = inUse(word);
      const changes = (word?.report.vcpus ?? [])
        .filter(
          (vcpu) => vcpu.online !== online.includes(vcpu.index) && (vcpu.online ? vcpu.canOffline : true),
        )
        .map((vcpu) => ({ "logical-id": vcpu.index, online: !vcpu.online }));
      let refusal: string | null = null;
      if (changes.length > 0) {
        try {
          // It stops at the first vCPU that will not change; what it returned is checked by reading back.
          await ask("guest-set-vcpus", { vcpus: changes }, z.number());
        } catch (error) {
          if (!(error instanceof GuestAgentError)) throw error;
          refusal = error.message;
        }
      }
      await readWord();
      const after = inUse(word);
      if (refusal !== null && String(after) === String(before))
        throw new CommandError("guest-refused", refusal);
      complaints.clear("kept");
      if (String(after) !== String(online)) {
        complaints.add(
          "kept",
          () => `The guest at ${path} uses vCPUs ${after.join(",")}, not ${online.join(",")} as asked`,
        );
      }
      return after;
    });
    return abortable(exchange, signal);
  }

  return {
    word: () => (isNeeded() ? word : null),
    problems: () => (isNeeded() ? complaints.list() : []),
    setOnline,
    // The stock agent has no load monitor and asks for nothing.
    setMonitor: () => undefined,
    runTimes: () => undefined,
    answer: () => undefined,
    load: () => null,
    greet: () => pollSoon(0),
    refresh: () => pollSoon(0),
    forget() {
      inSync = false;
      setWord(null);
      pollSoon(0);
    },
    close() {
      closed = true;
      kept.stop();
      cancelPoll();
      gate.stop();
      socket?.close();
      socket = null;
    },
  };
}

/** The agent understood and said no; the channel is in order. */
class GuestAgentError extends Error {}

/** What 0xFF becomes when bytes are read as UTF-8. */
const DELIMITER = "\ufffd";

const returnShape = z.object({
  return: z.unknown().optional(),
  error: z.object({ desc: z.string() }).optional(),
});

function parseReturn(line: string): z.infer<typeof returnShape> | null {
  try {
    const parsed = returnShape.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}

const vcpusShape = z.array(
  z.object({
    "logical-id": z.number().int().min(0),
    online: z.boolean(),
    "can-offline": z.boolean().default(false),
  }),
);

/** Times are in milliseconds. */
const cpuStatsShape = z.array(z.object({ cpu: z.number().int(), steal: z.number().int().optional() }));

function inUse(word: GuestWord | null): VcpuIndex[] {
  return (word?.report.vcpus ?? []).filter((vcpu) => vcpu.online).map((vcpu) => vcpu.index);
}
