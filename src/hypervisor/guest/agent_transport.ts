/** How the stock guest agent is reached: over its socket (agent_socket.ts), or through libvirt where that owns the socket. */

import type { Timers } from "../timers.ts";
import type { Complaints } from "./complaints.ts";

export interface AgentTransport {
  /**
   * One command; the caller waits for its end before the next. Resolves with what the agent returned; rejects with a
   * `GuestAgentError` when the agent said no, and with another error when it said nothing in time.
   */
  ask(execute: string, args: object): Promise<unknown>;
  /** What is under way or left over in the channel belongs to nobody: the next exchange begins afresh. */
  forget(): void;
  close(): void;
}

export interface TransportParts {
  /** For messages, and the socket where there is one. */
  readonly path: string;
  readonly timers: Timers;
  readonly complaints: Complaints;
  readonly listener: TransportListener;
}

export interface TransportListener {
  /** The agent may be there now. */
  onUp(): void;
  onDown(): void;
  /** It spoke without being asked. */
  onStir(): void;
}

/** The agent understood and said no; the channel is in order. */
export class GuestAgentError extends Error {}
