/** Requests and answers between the words of the channel and those of the core. */
import { explainDenial } from "../../core/explain_denial.ts";
import type { Answer } from "../../core/request.ts";
import {
  type GuestMessage,
  type HostMessage,
  NO_RETRY_KNOWN,
  TEXT_CHARS_MAX,
} from "../../protocol/guest_messages.ts";
import type { GuestAsked } from "./guest_channel.ts";

export function answerMessage(request: string, answer: Answer): HostMessage {
  if (answer.outcome === "granted") {
    const { vcpu, loan } = answer;
    return { kind: "answer", request, answer: { outcome: "granted", vcpu, loan } };
  }
  const { why } = answer;
  return {
    kind: "answer",
    request,
    answer: {
      outcome: "denied",
      code: why.code,
      why: explainDenial(why).slice(0, TEXT_CHARS_MAX),
      retryAfterMs: "retryAfter" in why ? why.retryAfter : NO_RETRY_KNOWN,
    },
  };
}

export function askedOf(message: GuestMessage & { readonly kind: "request" }): GuestAsked {
  const { request, origin, exceeded, target } = message;
  return {
    id: request,
    origin,
    exceeded:
      exceeded === null
        ? null
        : {
            measure: exceeded.measure,
            level: exceeded.level,
            value: exceeded.value,
            threshold: exceeded.threshold,
          },
    target:
      target === null
        ? null
        : target.kind === "node"
          ? { kind: "node", node: target.id }
          : { kind: "proximity-domain", id: target.id },
  };
}
