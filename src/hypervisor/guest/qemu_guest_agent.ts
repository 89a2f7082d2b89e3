/**
 * The stock QEMU guest agent as a guest channel: polled, because it never speaks of its own accord. Source: QEMU's
 * qga/qapi-schema.json. It can only `offline`, and its confirmation is the list read back afterwards.
 */
import { z } from "zod";
import type { BalloonMechanism } from "../../core/model.ts";
import type { Milliseconds, Nanoseconds, VcpuIndex } from "../../core/units.ts";
import { abortable } from "../command_queue.ts";
import { CommandError } from "../port.ts";
import type { Timers } from "../timers.ts";
import { agentSocket } from "./agent_socket.ts";
import { type AgentTransport, GuestAgentError, type TransportParts } from "./agent_transport.ts";
import { createComplaints } from "./complaints.ts";
import type { GuestChannel, GuestWord } from "./guest_channel.ts";

export interface QemuGuestAgentOptions {
  /** Where it is, for messages; its socket, unless there is another way to it. */
  readonly path: string;
  readonly transport?: (parts: TransportParts) => AgentTransport;
  readonly timers: Timers;
  /** `false` while a better channel speaks for this guest: then it is not polled. */
  readonly isNeeded: () => boolean;
  readonly onChange: () => void;
}

/** Each poll costs the guest a few file reads per vCPU. */
export const POLL_EVERY_MS: Milliseconds = 2_000;
/** A guest without an agent is asked no more often than this. */
export const SILENT_POLL_EVERY_MS: Milliseconds = 10_000;
/** A guest that stirs is asked this much later, so that it cannot make us ask without end. */
const STIR_MS: Milliseconds = 100;
const NANOSECONDS_PER_MILLISECOND = 1_000_000;

export function createQemuGuestAgent(options: QemuGuestAgentOptions): GuestChannel {
  const { path, timers, isNeeded, onChange } = options;
  const complaints = createComplaints(timers);
  let closed = false;
  let up = false;
  let word: GuestWord | null = null;
  /** Agents before QEMU 7.1 have no account of steal time. */
  let hasCpuStats = true;
  let stirred = false;
  let cancelPoll: () => void = () => undefined;
  /** One exchange at a time: the protocol has no ids. */
  let turn: Promise<unknown> = Promise.resolve();

  const transport = (options.transport ?? agentSocket)({
    path,
    timers,
    complaints,
    listener: {
      onUp() {
        up = true;
        hasCpuStats = true;
        pollSoon(0);
      },
      onDown() {
        up = false;
        setWord(null);
      },
      onStir() {
        if (word !== null || stirred) return;
        // An answer that nobody waits for any longer: an agent has come to life.
        stirred = true;
        pollSoon(STIR_MS);
      },
    },
  });

  function pollSoon(delay: Milliseconds): void {
    cancelPoll();
    cancelPoll = timers.after(delay, () => void poll());
  }
  async function poll(): Promise<void> {
    if (closed) return;
    stirred = false;
    if (up && isNeeded()) await alone(readWord).catch(() => setWord(null));
    if (!closed) pollSoon(word === null ? SILENT_POLL_EVERY_MS : POLL_EVERY_MS);
  }

  function setWord(next: GuestWord | null): void {
    const changed = JSON.stringify(next?.report) !== JSON.stringify(word?.report);
    word = next;
    if (changed && !closed) onChange();
  }

  /** Runs one exchange after those before it. */
  function alone<T>(exchange: () => Promise<T>): Promise<T> {
    const mine = turn.then(exchange);
    turn = mine.catch(() => undefined);
    return mine;
  }

  async function ask<Shape extends z.ZodType>(
    execute: string,
    args: object,
    shape: Shape,
  ): Promise<z.infer<Shape>> {
    const parsed = shape.safeParse(await transport.ask(execute, args));
    if (parsed.success) return parsed.data;
    transport.forget();
    throw new Error(`${execute} at ${path} returned something unexpected: ${z.prettifyError(parsed.error)}`);
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
      interruptsPerSecond: null,
      switchesPerSecond: null,
      inKernel: null,
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
      transport.forget();
      setWord(null);
      pollSoon(0);
    },
    close() {
      closed = true;
      cancelPoll();
      transport.close();
    },
  };
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
