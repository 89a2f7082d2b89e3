/** A guest that asks for vCPUs as the agent does by its defaults: one at a time, after two samples in a row. */
import type { Answer, VcpuRequest } from "../../core/request.ts";
import type { DomainId, Milliseconds } from "../../core/units.ts";

const SAMPLE_EVERY_MS: Milliseconds = 1_000;
const SAMPLES_IN_A_ROW = 2;
/** Threads per vCPU: the default threshold of what is runnable. */
const RUNNABLE_MAX = 1.5;
/** After a denial that says nothing of when to come again. */
const RETRY_MS: Milliseconds = 5_000;
/** No answer by then: the same request again. */
const ANSWER_DEADLINE_MS: Milliseconds = 5_000;

export class AskingGuest {
  readonly id: DomainId;
  /** Runnable now. */
  threads = 0;
  requests = 0;
  granted = 0;
  #sampleAt = 0;
  #inARow = 0;
  #notBefore = 0;
  #open: { readonly request: VcpuRequest; readonly askedAt: Milliseconds } | null = null;

  constructor(id: DomainId) {
    this.id = id;
  }

  /** The request to send now, if any. */
  look(online: number, now: Milliseconds): VcpuRequest | null {
    if (now < this.#sampleAt) return null;
    this.#sampleAt = now + SAMPLE_EVERY_MS;
    if (this.#open !== null) {
      if (now < this.#open.askedAt + ANSWER_DEADLINE_MS) return null;
      this.#open = { ...this.#open, askedAt: now };
      return this.#open.request;
    }
    const value = this.threads / online;
    this.#inARow = RUNNABLE_MAX < value ? this.#inARow + 1 : 0;
    if (this.#inARow < SAMPLES_IN_A_ROW || now < this.#notBefore) return null;
    this.requests += 1;
    const exceeded = { measure: "vm.runnable-threads", level: "vm", value, threshold: RUNNABLE_MAX } as const;
    const request: VcpuRequest = {
      domain: this.id,
      id: `${this.id}-${this.requests}`,
      origin: "monitor",
      exceeded,
      target: null,
    };
    this.#open = { request, askedAt: now };
    return request;
  }

  hear(request: string, answer: Answer, now: Milliseconds): void {
    if (this.#open?.request.id !== request) return;
    this.#open = null;
    this.#inARow = 0;
    if (answer.outcome === "granted") this.granted += 1;
    else this.#notBefore = now + ("retryAfter" in answer.why ? answer.why.retryAfter : RETRY_MS);
  }
}
