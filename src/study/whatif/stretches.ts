/** Cuts a journal where domains come and go, vCPUs are taken and given, or the mode changes; pure. */
import type { ControllerState } from "../../core/controller_state.ts";
import type { ControllerEvent, DomainUse } from "../../core/event.ts";
import type { Snapshot } from "../../core/model.ts";
import { DEFAULT_POLICY, type Policy } from "../../core/policy.ts";
import { type DomainId, MILLI_PER_PCPU, type Milliseconds } from "../../core/units.ts";
import type { NumberedRecord } from "../../protocol/journal.ts";
import type { Observed } from "./recording.ts";

/** Times are milliseconds since 1970. */
export interface Stretch {
  readonly fromMs: number;
  readonly toMs: number;
  /** Nothing in the journal says that it ended. */
  readonly isLast: boolean;
  /** As it was at the end. */
  readonly snapshot: Snapshot;
  readonly policy: Policy;
  readonly underVbal: boolean;
  /** In pCPUs, the mean over time; a domain whose use was never told is absent. */
  readonly use: ReadonlyMap<DomainId, Observed>;
}

/** In order of time. Stretches without a domain are left out. */
export function stretchesOf(
  records: readonly NumberedRecord<ControllerEvent, ControllerState>[],
): readonly Stretch[] {
  const done: Stretch[] = [];
  let open = null as OpenStretch | null;
  let policy: Policy = DEFAULT_POLICY;
  let snapshot: Snapshot | null = null;
  let use: readonly DomainUse[] = [];
  let offset = 0;
  let now: Milliseconds = 0;
  const close = (isLast: boolean): void => {
    const stretch = open?.end(now + offset, isLast);
    if (stretch !== undefined) done.push(stretch);
    open = null;
  };
  const look = (seen: Snapshot): void => {
    snapshot = seen;
    if (open !== null && !open.goesOnWith(seen, policy)) close(false);
    if (seen.domains.length === 0) return;
    if (open === null) {
      open = new OpenStretch(now + offset);
      // What was told before holds until it is told anew.
      open.tellUse(use, now + offset);
    }
    open.see(seen, policy);
  };
  for (const { record } of records) {
    // A clock that another daemon began ends what came before.
    if (record.kind === "start") {
      close(false);
      use = [];
      offset = record.wallMs - record.now;
    }
    now = record.now;
    switch (record.kind) {
      case "start":
      case "policy":
        policy = record.policy;
        if (snapshot !== null && record.kind === "policy") look(snapshot);
        break;
      case "checkpoint":
        policy = record.policy;
        if (record.state.snapshot !== null) look(record.state.snapshot);
        break;
      case "note":
        break;
      case "event":
        if (record.event.kind === "observed") look(record.event.snapshot);
        if (record.event.kind === "release") close(false);
        if ("use" in record.event && record.event.use !== undefined) {
          use = record.event.use;
          open?.tellUse(use, now + offset);
        }
    }
  }
  close(true);
  return done;
}

class OpenStretch {
  readonly #fromMs: number;
  #snapshot: Snapshot | null = null;
  #policy: Policy = DEFAULT_POLICY;
  #toldAt: number | null = null;
  #told: readonly DomainUse[] = [];
  readonly #sums = new Map<DomainId, { ms: number; used: number; squares: number }>();

  constructor(fromMs: number) {
    this.#fromMs = fromMs;
  }

  goesOnWith(snapshot: Snapshot, policy: Policy): boolean {
    if (this.#snapshot === null) return true;
    return shapeOf(this.#snapshot, this.#policy) === shapeOf(snapshot, policy);
  }

  see(snapshot: Snapshot, policy: Policy): void {
    this.#snapshot = snapshot;
    this.#policy = policy;
  }

  tellUse(use: readonly DomainUse[], at: number): void {
    this.#book(at);
    this.#told = use;
    this.#toldAt = at;
  }

  end(toMs: number, isLast: boolean): Stretch | undefined {
    if (this.#snapshot === null) return undefined;
    this.#book(toMs);
    return {
      fromMs: this.#fromMs,
      toMs,
      isLast,
      snapshot: this.#snapshot,
      policy: this.#policy,
      underVbal: this.#policy.mode === "enforce",
      use: new Map([...this.#sums].map(([id, sum]) => [id, observedIn(sum)])),
    };
  }

  /** What was told holds until something else is told. */
  #book(until: number): void {
    if (this.#toldAt === null || until <= this.#toldAt) return;
    const ms = until - this.#toldAt;
    for (const { domain, used } of this.#told) {
      const pcpus = used / MILLI_PER_PCPU;
      const sum = this.#sums.get(domain) ?? { ms: 0, used: 0, squares: 0 };
      sum.ms += ms;
      sum.used += ms * pcpus;
      sum.squares += ms * pcpus * pcpus;
      this.#sums.set(domain, sum);
    }
  }
}

/** The spread as if each second were told by itself. */
function observedIn({ ms, used, squares }: { ms: number; used: number; squares: number }): Observed {
  const average = used / ms;
  const spread = Math.max(0, squares / ms - average * average);
  return { mean: average, error: Math.sqrt(spread / Math.max(1, ms / 1_000)) };
}

/** Two looks of one shape belong together: the same lives of the same domains, with as many vCPUs in use. */
function shapeOf({ domains, pcpus }: Snapshot, { mode }: Policy): string {
  return JSON.stringify([
    mode,
    pcpus.length,
    domains.map(({ id, incarnation, state, vcpus, guest }) => [
      id,
      incarnation,
      state,
      vcpus.length,
      guest?.vcpus.filter(({ online }) => online).length ?? null,
    ]),
  ]);
}
