/** The shipped controller's own steps, and the times that the watch takes from them. */
import { describe, expect, test } from "vitest";
import { step } from "../../core/controller.ts";
import { type ControllerState, INITIAL_STATE } from "../../core/controller_state.ts";
import type { ControllerEvent } from "../../core/event.ts";
import type { DomainSnapshot, Snapshot } from "../../core/model.ts";
import { DEFAULT_POLICY } from "../../core/policy.ts";
import { LatencyWatch } from "./latency_watch.ts";
import type { MetricFact } from "./metric_fact.ts";

/** Four pCPUs and two domains of four vCPUs, of which the guest uses `online` and vCPU i may run on `pins[i]`. */
function host(of: {
  readonly [name: string]: { readonly online: number; readonly pins: readonly (readonly number[])[] };
}): Snapshot {
  const pcpus = [0, 1, 2, 3].map((id) => ({ id, core: id, llc: 0, node: 0, online: true }));
  const domains = Object.entries(of).map(
    ([id, { online, pins }]): DomainSnapshot => ({
      id,
      incarnation: "1",
      state: "running",
      vcpus: pins.map((pcpus, index) => ({
        index,
        guestSocket: 0,
        guestCore: index,
        guestThread: 0,
        guestNode: 0,
        pins: pcpus,
      })),
      emulatorPins: [0, 1, 2, 3],
      guest: {
        agent: "vbal-agent",
        mechanisms: ["offline"],
        vcpus: pins.map((_, index) => ({ index, online: index < online, canOffline: 0 < index })),
      },
    }),
  );
  return { pcpus, domains };
}

const ANYWHERE = [0, 1, 2, 3].map(() => [0, 1, 2, 3]);

class Story {
  #state: ControllerState = INITIAL_STATE;
  readonly watch = new LatencyWatch();
  readonly facts: MetricFact[] = [];

  at(now: number, event: ControllerEvent): this {
    const taken = step({ ...DEFAULT_POLICY, mode: "enforce" }, this.#state, event, now);
    this.#state = taken.state;
    this.facts.push(...this.watch.take({ event, now, step: taken }));
    return this;
  }

  /** Where the plan wants every vCPU. */
  planned(name: string): readonly (readonly number[])[] {
    return this.#state.plan!.domains.find(({ id }) => id === name)!.vcpus.map(({ pcpus }) => pcpus);
  }

  of(kind: MetricFact["kind"]): MetricFact[] {
    return this.facts.filter((fact) => fact.kind === kind);
  }
}

describe("end to end", () => {
  test("an arrival lasts until every vCPU is where it was planned, and a target until the guest has it", () => {
    const story = new Story().at(0, { kind: "started" });
    story.at(1_000, {
      kind: "observed",
      snapshot: host({ db: { online: 4, pins: ANYWHERE }, web: { online: 4, pins: ANYWHERE } }),
    });
    const [db, web] = [story.planned("db"), story.planned("web")];
    expect(story.of("arrival-pinned")).toEqual([]);
    story.at(1_500, {
      kind: "observed",
      snapshot: host({ db: { online: 2, pins: db }, web: { online: 4, pins: ANYWHERE } }),
    });
    story.at(3_000, {
      kind: "observed",
      snapshot: host({ db: { online: 2, pins: db }, web: { online: 2, pins: web } }),
    });
    expect(story.of("arrival-pinned")).toEqual([
      { kind: "arrival-pinned", domain: "db", seconds: 0.5 },
      { kind: "arrival-pinned", domain: "web", seconds: 2 },
    ]);
    expect(story.of("target-confirmed")).toEqual([
      { kind: "target-confirmed", domain: "db", seconds: 0.5 },
      { kind: "target-confirmed", domain: "web", seconds: 2 },
    ]);
  });

  test("one that leaves before it is pinned is not timed, and its successor of the same name begins anew", () => {
    const story = new Story().at(0, { kind: "started" });
    const arrival: ControllerEvent = {
      kind: "observed",
      snapshot: host({ web: { online: 4, pins: ANYWHERE } }),
    };
    story
      .at(1_000, arrival)
      .at(2_000, { kind: "observed", snapshot: host({}) })
      .at(60_000, arrival);
    story.at(60_250, {
      kind: "observed",
      snapshot: host({ web: { online: 4, pins: story.planned("web") } }),
    });
    expect(story.of("arrival-pinned")).toEqual([{ kind: "arrival-pinned", domain: "web", seconds: 0.25 }]);
  });

  test("a command is timed from when it was given out to its end, with its outcome", () => {
    const story = new Story().at(0, { kind: "started" });
    story.at(1_000, { kind: "observed", snapshot: host({ web: { online: 4, pins: ANYWHERE } }) });
    story.at(1_200, { kind: "command-ended", id: 1, outcome: { ok: false, failure: "timed-out", why: "x" } });
    story.at(1_300, { kind: "command-ended", id: 99, outcome: { ok: true } });
    expect(story.of("command")).toEqual([
      { kind: "command", command: expect.any(String), outcome: "timed-out", seconds: 0.2 },
    ]);
  });
});
