/**
 * Guests that ask for vCPUs, as the agent's session does: an honest one asks for one at a time, and again under the same
 * id until it hears an answer; others flood, or lie. Requests and answers get lost, come late and come twice.
 *
 * `faults` says where an answer broke its promise: granted twice for one request, or another answer after a grant.
 */
import type { Reply } from "../../core/action.ts";
import { type DomainUse, USE_STEP } from "../../core/event.ts";
import type { Answer, VcpuRequest } from "../../core/request.ts";
import type { Milliseconds } from "../../core/units.ts";
import type { Draws } from "./draws.ts";
import type { LightDomain, LightHost } from "./light_host.ts";
import type { Manners } from "./swarm_options.ts";

/** A guest looks at its load so often. */
const ASK_EVERY_MS: Milliseconds = 1_000;
/** No answer for so long: the same request once more, at most `TRIES_MAX` times. */
const ANSWER_DEADLINE_MS: Milliseconds = 3_000;
const TRIES_MAX = 8;
/** Requests of a flood for each look. */
const FLOOD = 12;
/** Beyond this part of its vCPUs an honest guest is short of them. */
const SHORT_PERCENT = 90;

interface Open {
  readonly request: VcpuRequest;
  tries: number;
  askedAt: Milliseconds;
}

export class AskingGuests {
  readonly faults: string[] = [];
  /** Grants that were heard or not. */
  granted = 0;
  readonly #host: LightHost;
  readonly #draws: Draws;
  /** Hands requests to the daemon that is there now, if any. */
  readonly #ask: (requests: readonly VcpuRequest[]) => void;
  readonly #manners = new Map<LightDomain, Manners>();
  readonly #open = new Map<LightDomain, Open>();
  readonly #grants = new Map<string, Answer>();
  #serial = 0;

  constructor(host: LightHost, draws: Draws, ask: (requests: readonly VcpuRequest[]) => void) {
    this.#host = host;
    this.#draws = draws;
    this.#ask = ask;
  }

  join(domain: LightDomain, manners: Manners): void {
    domain.asks = true;
    domain.load = drawLoad(this.#draws);
    this.#manners.set(domain, manners);
    this.#tick(domain);
  }

  /** From now on everybody is honest, with a load that stays. */
  mendAll(): void {
    for (const [domain] of this.#manners) this.#manners.set(domain, "honest");
  }

  /** Its load monitor begins or ends; a guest that has none never asks. */
  beginOrEnd(domain: LightDomain): void {
    if (this.#manners.has(domain)) domain.asks = !domain.asks;
  }

  isAsking(domain: LightDomain): boolean {
    return domain.asks && isShort(domain);
  }

  hear({ domain: id, request, answer }: Reply): void {
    const domain = this.#host.domains.get(id);
    if (domain === undefined) return;
    this.#judge(domain, request, answer);
    if (this.#host.befalls("answer-lost")) return;
    if (this.#open.get(domain)?.request.id === request) this.#open.delete(domain);
  }

  /** What the host measures; a domain that could not be measured is missing. */
  use(): DomainUse[] {
    return [...this.#host.domains.values()]
      .filter(() => !this.#host.befalls("use-unread"))
      .map((domain) => ({ domain: domain.id, used: usedBy(domain) }))
      .sort((a, b) => (a.domain < b.domain ? -1 : 1));
  }

  #tick(domain: LightDomain): void {
    this.#host.after(ASK_EVERY_MS, () => {
      if (this.#host.domains.get(domain.id) !== domain) return;
      if (domain.asks && domain.temper !== "dead" && !domain.paused) this.#look(domain);
      this.#tick(domain);
    });
  }

  #look(domain: LightDomain): void {
    switch (this.#manners.get(domain)!) {
      case "flooding":
        this.#send(
          domain,
          Array.from({ length: FLOOD }, () => this.#requestOf(domain, 2)),
        );
        return;
      case "lying": {
        const node = this.#draws.between(0, 1_000_000);
        const target = this.#draws.chance(0.5) ? null : ({ kind: "node", node } as const);
        this.#send(domain, [{ ...this.#requestOf(domain, this.#draws.pick([1e9, Number.NaN, -1])), target }]);
        return;
      }
      case "honest":
        this.#askHonestly(domain);
    }
  }

  #askHonestly(domain: LightDomain): void {
    const { now } = this.#host;
    const open = this.#open.get(domain);
    if (open === undefined) {
      if (!isShort(domain)) return;
      const request = this.#requestOf(domain, domain.load / (domain.online.size * 1_000));
      this.#open.set(domain, { request, tries: 1, askedAt: now });
      this.#send(domain, [request]);
      return;
    }
    if (now < open.askedAt + ANSWER_DEADLINE_MS) return;
    if (TRIES_MAX <= open.tries) {
      this.#open.delete(domain);
      return;
    }
    open.tries += 1;
    open.askedAt = now;
    this.#send(domain, [open.request]);
  }

  #requestOf(domain: LightDomain, value: number): VcpuRequest {
    const nodes = [...domain.vcpus.values()].map(({ slot }) => slot.guestNode);
    const target = this.#draws.chance(0.5)
      ? null
      : ({ kind: "node", node: this.#draws.pick(nodes) } as const);
    return {
      domain: domain.id,
      id: `${domain.incarnation}-${this.#serial++}`,
      origin: "monitor",
      exceeded: { measure: "vm.composite", level: "vm", value, threshold: SHORT_PERCENT / 100 },
      target,
    };
  }

  #send(domain: LightDomain, requests: readonly VcpuRequest[]): void {
    const host = this.#host;
    // What a guest said ends with its channel.
    const arrive = () => {
      if (host.domains.get(domain.id) === domain) this.#ask(requests);
    };
    if (host.befalls("request-lost")) return;
    host.after(host.befalls("request-late") ? this.#draws.between(100, 5_000) : 2, () => {
      arrive();
      if (host.befalls("request-doubled")) host.after(this.#draws.between(1, 3_000), arrive);
    });
  }

  #judge(domain: LightDomain, request: string, answer: Answer): void {
    // A flood pushes its own answers out of memory: what it is told then is its own affair.
    if (this.#manners.get(domain) !== "honest") return;
    const key = `${request} ${domain.id}`;
    const before = this.#grants.get(key);
    // A daemon that cannot decide now says so, also to one that it knows.
    if (answer.outcome === "denied" && ["not-now", "unknown-domain"].includes(answer.why.code)) return;
    if (before !== undefined && JSON.stringify(before) !== JSON.stringify(answer))
      this.faults.push(`P-18: ${key} was told ${JSON.stringify(before)} and then ${JSON.stringify(answer)}`);
    if (answer.outcome !== "granted") return;
    if (before === undefined) this.granted += 1;
    this.#grants.set(key, answer);
  }
}

/** In thousandths of a pCPU. Most guests have little to do most of the time. */
export function drawLoad(draws: Draws): number {
  return draws.pick([0, 0, 200, 200, 1_000, 3_000, 9_000]);
}

/** Its load is more than its vCPUs carry. */
function isShort({ online, load }: LightDomain): boolean {
  return online.size * 10 * SHORT_PERCENT < load;
}

function usedBy({ online, load, paused }: LightDomain): number {
  const used = paused ? 0 : Math.min(load, online.size * 1_000);
  return Math.round(used / USE_STEP) * USE_STEP;
}
