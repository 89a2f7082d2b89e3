/** Asks for vCPUs on behalf of people and programs on the host (P-15), so many at a time. */
import { randomUUID } from "node:crypto";
import type { DomainId, Milliseconds, NodeId } from "../core/units.ts";
import { closest } from "../protocol/closest.ts";
import type { RequestAnswer } from "./api/api_target.ts";
import type { ControlLoop } from "./control_loop.ts";
import type { RequestLog } from "./request_log.ts";

/** Whoever asks hears within this what was decided, or that a vCPU is being plugged meanwhile. */
const REQUEST_ANSWER_MS: Milliseconds = 2_000;
/** So many may wait for an answer at the same time; others are turned away. */
const REQUESTS_HEARING_MAX = 16;

export class HostRequests {
  readonly #loop: ControlLoop;
  readonly #log: RequestLog;
  #hearing = 0;

  constructor(loop: ControlLoop, log: RequestLog) {
    this.#loop = loop;
    this.#log = log;
  }

  /** Where a vCPU is being plugged for it, the fate is `waiting`, and the log shows how that ends. */
  async ask(domain: DomainId, node: NodeId | null): Promise<RequestAnswer> {
    const names = this.#loop.state.snapshot?.domains.map(({ id }) => id) ?? [];
    if (!names.includes(domain)) return { ok: false, errors: [noSuchDomain(domain, names)] };
    if (REQUESTS_HEARING_MAX <= this.#hearing) {
      return { ok: false, errors: ["Too many requests wait for an answer; try again in a second"] };
    }
    // No guest can guess this id and take it first.
    const id = randomUUID();
    const target = node === null ? null : ({ kind: "node", node } as const);
    this.#hearing += 1;
    await this.#loop.request(
      { domain, id, origin: "administrator", exceeded: null, target },
      REQUEST_ANSWER_MS,
    );
    this.#hearing -= 1;
    const request = this.#log.of(domain).find((view) => view.id === id);
    if (request !== undefined) return { ok: true, request };
    return { ok: false, errors: [`Nothing was decided about ${domain}; look at the daemon's log`] };
  }
}

function noSuchDomain(name: string, names: readonly string[]): string {
  const near = closest(name, names);
  const hint = near === null ? `There are: ${names.join(", ") || "none"}` : `Did you mean ${near}?`;
  return `There is no domain ${JSON.stringify(name)}. ${hint}`;
}
