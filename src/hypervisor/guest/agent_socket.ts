/**
 * The stock guest agent over the unix socket of its virtio-serial port. The protocol has no ids: after a fault,
 * guest-sync-delimited throws away whatever an earlier exchange left in the channel.
 */
import { z } from "zod";
import type { Milliseconds } from "../../core/units.ts";
import { keepConnected } from "../keep_connected.ts";
import { connectLines, type LineSocket } from "../line_socket.ts";
import { CommandError } from "../port.ts";
import { type AgentTransport, GuestAgentError, type TransportParts } from "./agent_transport.ts";
import { createFloodGate } from "./flood_gate.ts";

/** For one answer: a busy guest under emulation needs a good part of a second. */
export const ANSWER_DEADLINE_MS: Milliseconds = 3_000;
/** A list of 1,024 vCPUs with their times has some 300 bytes each. */
const LINE_BYTES_MAX = 1_048_576;

export function agentSocket({ path, timers, complaints, listener }: TransportParts): AgentTransport {
  let socket: LineSocket | null = null;
  let inSync = false;
  let lastSync = 0;
  let closed = false;
  let answer: ((line: string) => void) | null = null;

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
        onLine(line) {
          if (answer === null) listener.onStir();
          else answer(line);
        },
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
      listener.onUp();
      return { ended };
    },
    onFailure(error) {
      socket = null;
      listener.onDown();
      complaints.add("connection", () => `No connection to the guest agent at ${path}: ${error.message}`);
    },
  });

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

  return {
    async ask(execute, args) {
      try {
        if (!inSync) await sync();
        const line = `${JSON.stringify({ execute, arguments: args })}\n`;
        const returned = await exchangeLine(line, parseReturn);
        if (returned.error === undefined) return returned.return;
        throw new GuestAgentError(`${execute} at ${path}: ${returned.error.desc}`);
      } catch (error) {
        // Whatever went wrong, the next exchange begins with a sync.
        if (!(error instanceof GuestAgentError)) inSync = false;
        throw error;
      }
    },
    forget() {
      inSync = false;
    },
    close() {
      closed = true;
      kept.stop();
      gate.stop();
      socket?.close();
      socket = null;
    },
  };
}

/** What 0xFF becomes when bytes are read as UTF-8. */
const DELIMITER = "\ufffd";

const returnShape = z.object({
  return: z.unknown().optional(),
  error: z.object({ desc: z.string() }).optional(),
});

/** The answer in a line, or `null` when there is none. */
export function parseReturn(line: string): z.infer<typeof returnShape> | null {
  try {
    const parsed = returnShape.safeParse(JSON.parse(line));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
}
