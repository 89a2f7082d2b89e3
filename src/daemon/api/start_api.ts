/**
 * Starts the API in a thread of its own. A hundred clients, a large answer, a slow disk under the history or a fault in a
 * library then cost the control loop nothing; a thread that dies is told and started again, while control goes on.
 */
import { Worker } from "node:worker_threads";
import type { Milliseconds } from "../../core/units.ts";
import type { MetricFact } from "../metrics/metric_fact.ts";
import { threadFile } from "../thread_file.ts";
import type { ApiServer, ServeOptions } from "./serve_api.ts";
import type { Ask, FromThread, ThreadStart, ToThread } from "./thread_messages.ts";
import { withOwnersMask } from "./unix_socket.ts";

/** Twice as long after each failure in a row, up to the longest. */
const RESTART_AFTER_MS: Milliseconds = 1_000;
const RESTART_AFTER_MS_MAX: Milliseconds = 60_000;
/** Sent in any case, so that neither side keeps many. */
const FACTS_KEPT_MAX = 1_000;
/** A thread that does not end by then is ended. */
const CLOSE_DEADLINE_MS: Milliseconds = 2_000;
/**
 * A few times what a thousand domains need; one that needs more dies alone. Garbage is collected early, because V8 would
 * otherwise let a thread that nobody hurries grow by dozens of megabytes.
 */
const HEAP_LIMITS = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 4 };

export type StartApi = (options: ServeOptions) => Promise<ApiServer>;

/** Throws when another daemon answers on the socket, or the config's addresses, tokens or certificates cannot be used. */
export const startApi: StartApi = async (options) => {
  const thread = new ApiThread(options);
  await thread.start();
  return thread;
};

class ApiThread implements ApiServer {
  readonly #options: ServeOptions;
  #worker: Worker | null = null;
  #failures = 0;
  #restart: NodeJS.Timeout | null = null;
  #closing = false;
  /** Not sent yet. */
  #facts: readonly MetricFact[] = [];
  /** It has looked since it heard of news last; until then it knows that there are some. */
  #hasLooked = true;

  constructor(options: ServeOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    const { control, history, pageFolder, version } = this.#options;
    const workerData: ThreadStart = { control, history, pageFolder, version };
    const worker = new Worker(threadFile("api/api_thread.js"), {
      workerData,
      resourceLimits: HEAP_LIMITS,
    });
    this.#worker = worker;
    this.#hasLooked = true;
    await withOwnersMask(() => this.#listening(worker));
    worker.on("exit", () => this.#startLater());
  }

  /** While nobody looks, the thread is not woken. */
  changed(facts: readonly MetricFact[]): void {
    this.#facts = [...this.#facts, ...facts];
    if (this.#hasLooked || FACTS_KEPT_MAX < this.#facts.length) this.#tellNews();
  }

  #tellNews(): void {
    this.#hasLooked = false;
    this.#send({ kind: "changed", facts: this.#facts });
    this.#facts = [];
  }

  async close(): Promise<void> {
    this.#closing = true;
    if (this.#restart !== null) clearTimeout(this.#restart);
    const worker = this.#worker;
    if (worker === null) return;
    const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    this.#send({ kind: "close" });
    const late = setTimeout(() => void worker.terminate(), CLOSE_DEADLINE_MS);
    await ended;
    // Whoever closes again must not wait for the same end.
    this.#worker = null;
    clearTimeout(late);
  }

  /** Rejects when the thread says why it cannot, or ends before it listens. */
  #listening(worker: Worker): Promise<void> {
    return new Promise((resolve, reject) => {
      worker.on("error", (error) => {
        this.#options.onFault(`The API's thread failed: ${error.stack ?? String(error)}`);
      });
      worker.on("exit", () => reject(new Error("The API's thread ended before it listened; see the log")));
      worker.on("message", (message: FromThread) => {
        switch (message.kind) {
          case "listening":
            this.#failures = 0;
            return resolve();
          case "failed":
            this.#worker = null;
            void worker.terminate();
            return reject(new Error(message.why));
          case "fault":
            return this.#options.onFault(message.text);
          case "ask":
            return void this.#answer(message);
        }
      });
    });
  }

  async #answer({ id, method, args }: Ask): Promise<void> {
    // What was measured until now belongs to the answer.
    if (0 < this.#facts.length) this.#tellNews();
    this.#hasLooked = true;
    try {
      const ask = this.#options.target[method] as (...args: unknown[]) => unknown;
      const value = await ask.apply(this.#options.target, [...args]);
      this.#send({ kind: "answer", id, value });
    } catch (error) {
      this.#send({
        kind: "no-answer",
        id,
        why: error instanceof Error ? (error.stack ?? error.message) : String(error),
      });
    }
  }

  #send(message: ToThread): void {
    this.#worker?.postMessage(message);
  }

  #startLater(): void {
    if (this.#closing) return;
    this.#worker = null;
    const after = Math.min(RESTART_AFTER_MS * 2 ** this.#failures, RESTART_AFTER_MS_MAX);
    this.#failures += 1;
    this.#options.onFault(
      `The API's thread ended; control goes on, and the API is started again in ${after / 1000} s`,
    );
    this.#restart = setTimeout(() => {
      this.start().catch((error: unknown) => {
        this.#options.onFault(`The API cannot be started again: ${String(error)}`);
        this.#startLater();
      });
    }, after);
  }
}
