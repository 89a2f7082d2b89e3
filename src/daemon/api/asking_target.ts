/** The daemon as the API's thread sees it: each call is a message, each answer one back. */
import { ApiRefusal } from "./api_refusal.ts";
import type { ApiTarget } from "./api_target.ts";
import type { Ask, ToThread } from "./thread_messages.ts";

/** The daemon answers from memory; on a host under heavy load it may have to wait for a pCPU itself. */
const ANSWER_DEADLINE_MS = 5_000;
/** Views are asked for once for all clients, so that this many are under way only when something is wrong. */
const UNDER_WAY_MAX = 64;

export interface AskingTarget {
  readonly target: ApiTarget;
  /** To be called with what came back. */
  onAnswer(answer: Extract<ToThread, { kind: "answer" | "no-answer" }>): void;
}

interface UnderWay {
  resolve(value: unknown): void;
  reject(error: Error): void;
}

export function askingTarget(send: (ask: Ask) => void): AskingTarget {
  const underWay = new Map<number, UnderWay>();
  let nextId = 1;
  const ask = async (method: keyof ApiTarget, args: readonly unknown[]): Promise<never> => {
    if (UNDER_WAY_MAX <= underWay.size) throw unavailable("The daemon has too much to answer");
    const id = nextId++;
    let deadline: NodeJS.Timeout | undefined;
    try {
      return (await new Promise<unknown>((resolve, reject) => {
        deadline = setTimeout(
          () => reject(unavailable(`The daemon did not answer within ${ANSWER_DEADLINE_MS / 1000} s`)),
          ANSWER_DEADLINE_MS,
        );
        underWay.set(id, { resolve, reject });
        send({ kind: "ask", id, method, args });
      })) as never;
    } finally {
      clearTimeout(deadline);
      underWay.delete(id);
    }
  };
  return {
    target: {
      view: () => ask("view", []),
      plan: () => ask("plan", []),
      meters: () => ask("meters", []),
      previewParts: (...args) => ask("previewParts", args),
      setDomain: (...args) => ask("setDomain", args),
      requestVcpu: (...args) => ask("requestVcpu", args),
      reload: () => ask("reload", []),
      setPaused: (...args) => ask("setPaused", args),
    },
    onAnswer(answer) {
      const asked = underWay.get(answer.id);
      if (answer.kind === "answer") asked?.resolve(answer.value);
      else asked?.reject(new Error(answer.why));
    },
  };
}

function unavailable(message: string): ApiRefusal {
  return new ApiRefusal("unavailable", message, "Try again; if it stays so, look at the daemon's log");
}
