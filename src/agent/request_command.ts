/** `vbal-agent request`: asks the host, through the agent that runs in this guest, for one more vCPU (P-15). */
import { answerPath } from "./ask_pipe.ts";
import type { Asker } from "./asking.ts";
import type { Verdict } from "./monitoring.ts";
import type { Platform } from "./platform.ts";

/** Waits for the answer, prints it and calls `end` with the exit status. */
export function requestCommand(platform: Platform, options: RequestOptions): void {
  const asker = `${Number.parseInt(platform.readFile("/proc/self/stat") ?? "", 10)}`;
  const answer = answerPath(options.askPath, asker);
  platform.remove(answer);
  const why = platform.writePipe(
    options.askPath,
    `${JSON.stringify({ asker, target: options.target } satisfies Asker)}\n`,
  );
  if (why !== null) {
    platform.log(`No agent listens at ${options.askPath}: ${why}; is vbal-agent running, and are you root?`);
    options.end(UNANSWERED);
    return;
  }
  const giveUpMs = platform.nowMs() + PATIENCE_MS;
  const look = (): void => {
    const text = platform.readFile(answer);
    if (text !== null) {
      platform.remove(answer);
      const verdict = JSON.parse(text) as Verdict;
      options.print(options.json ? text : `${sentence(verdict)}\n`);
      options.end(verdict.outcome === "granted" ? GRANTED : DENIED);
    } else if (giveUpMs <= platform.nowMs()) {
      platform.log(
        `The host has not answered for ${PATIENCE_MS} ms; the request stands and may be granted later`,
      );
      options.end(UNANSWERED);
    } else {
      platform.after(LOOK_EVERY_MS, look);
    }
  };
  platform.after(LOOK_EVERY_MS, look);
}

export interface RequestOptions {
  readonly askPath: string;
  readonly json: boolean;
  readonly target: Asker["target"];
  readonly print: (text: string) => void;
  readonly end: (status: number) => void;
}

const GRANTED = 0;
const DENIED = 1;
const UNANSWERED = 2;
/** A vCPU that must be plugged first takes a host some seconds. */
const PATIENCE_MS = 30_000;
const LOOK_EVERY_MS = 50;

function sentence(verdict: Verdict): string {
  if (verdict.outcome === "granted") {
    return `Granted: vCPU ${verdict.vcpu}${verdict.loan ? ", lent by others for as long as they do not need it" : ""}`;
  }
  const retry = 0 <= verdict.retryAfterMs ? ` Ask again in ${verdict.retryAfterMs} ms.` : "";
  return `Denied (${verdict.code}): ${verdict.why}${verdict.why.includes("ask again") ? "" : retry}`;
}
