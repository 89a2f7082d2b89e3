/** The stock guest agent of a domain of libvirt's, which owns its socket and speaks to it for us. */
import type { Milliseconds } from "../../core/units.ts";
import { parseReturn } from "../guest/agent_socket.ts";
import { type AgentTransport, GuestAgentError, type TransportParts } from "../guest/agent_transport.ts";
import { CommandError } from "../port.ts";
import { LibvirtError } from "./libvirt_calls.ts";

/** In whole seconds, as libvirt wants it: a busy guest under emulation needs a good part of one. */
const ANSWER_SECONDS = 3;
/** libvirt first finds out whether the agent is there, which takes it as long again. */
const ANSWER_DEADLINE_MS: Milliseconds = 3 * ANSWER_SECONDS * 1_000;
/** How libvirt begins when the agent understood and said no (its source: qemu_agent.c). */
const REFUSED = /^internal error: unable to execute QEMU agent command '[^']*': (.*)$/s;

export type AgentCall = (command: string, timeoutSeconds: number, deadline: Milliseconds) => Promise<string>;

export function libvirtAgent({ path, listener }: TransportParts, call: AgentCall): AgentTransport {
  // libvirt says at once when there is no agent, so asking is the way to find out.
  queueMicrotask(() => listener.onUp());
  return {
    async ask(execute, args) {
      try {
        const answer = await call(
          JSON.stringify({ execute, arguments: args }),
          ANSWER_SECONDS,
          ANSWER_DEADLINE_MS,
        );
        return parseReturn(answer)?.return;
      } catch (error) {
        if (!(error instanceof LibvirtError)) throw error;
        const refusal = REFUSED.exec(error.message)?.[1];
        if (refusal !== undefined) throw new GuestAgentError(`${execute} at ${path}: ${refusal}`);
        throw new CommandError("guest-silent", `The guest agent of ${path}: ${error.message}`);
      }
    },
    forget() {
      // libvirt begins each exchange afresh by itself.
    },
    close() {
      // What is under way ends at libvirt's own deadline.
    },
  };
}
