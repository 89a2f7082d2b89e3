/**
 * The controller under faults (issue 4, point 10): the seeds are in seeds_*.test.ts, and as many as one likes by `vbal sim
 * swarm`. Here each safeguard is switched off once and faults are planted, and the swarm must notice: a test that cannot
 * fail shows nothing.
 */
import { describe, expect, test } from "vitest";
import type { Action } from "../../core/action.ts";
import { type Step, step } from "../../core/controller.ts";
import { ALL_SAFEGUARDS, type Safeguards } from "../../core/safeguards.ts";
import { runSwarm, type SwarmParts, type SwarmRun } from "./swarm_run.ts";

test("equal seeds, equal runs", () => {
  expect(runSwarm(7)).toEqual(runSwarm(7));
});

describe("canaries: with a safeguard switched off, the swarm fails", () => {
  test.each<[keyof Safeguards, RegExp, number?]>([
    ["confirmTakes", /Invariant 3: .* was given pCPU/],
    ["placeBeforeOnline", /Invariant 3: .* belongs on/],
    ["breakCircles", /Not converged/],
    ["answerOnce", /P-18: .* was told .*granted.* and then/, 63],
    ["lendAfterTwoLooks", /lent on request and keeps .* but was seen to use/, 259],
  ])("%s", (safeguard, complaint, from) => {
    const failed = firstFailure({ safeguards: { ...ALL_SAFEGUARDS, [safeguard]: false } }, from);
    expect(failed?.faults.join("\n")).toMatch(complaint);
  });
});

type Controller = typeof step;

/** What a shipped controller might do wrong, each in one line. */
const PLANTED: Readonly<Record<string, Controller>> = {
  "takes vCPU 0": (...args) =>
    withActions(step(...args), (action) =>
      action.kind === "set-online"
        ? { ...action, online: action.online.filter((index) => index !== 0) }
        : action,
    ),
  "pins where another one is": (...args) =>
    withActions(step(...args), (action) =>
      action.kind === "pin-vcpu" ? { ...action, pcpus: [args[1].snapshot?.pcpus.at(-1)?.id ?? 0] } : action,
    ),
  "acts while it should observe": (policy, ...rest) => step({ ...policy, mode: "enforce" }, ...rest),
  "forgets over a restart what it plugged": (policy, before, event, ...rest) => {
    const domains = before.domains.map((domain) => ({ ...domain, plugged: [] }));
    return step(policy, event.kind === "started" ? { ...before, domains } : before, event, ...rest);
  },
  "forgets what it found": (policy, before, event, ...rest) => {
    const domains = before.domains.map((domain) => ({ ...domain, touched: false }));
    return step(policy, event.kind === "release" ? { ...before, domains } : before, event, ...rest);
  },
  "never plans anew": (policy, before, ...rest) => {
    const taken = step(policy, before, ...rest);
    return { ...taken, state: { ...taken.state, plan: before.plan ?? taken.state.plan } };
  },
};

/** It decides by what its state does not hold. */
function forgetful(): Controller {
  let calls = 0;
  return (policy, before, event, now, safeguards) =>
    step(policy, before, event, now + (calls++ % 2), safeguards);
}

function withActions(taken: Step, change: (action: Action) => Action): Step {
  return { ...taken, actions: taken.actions.map(change) };
}

describe("canaries: a controller with a fault is found", () => {
  test.each<[string, RegExp, number?]>([
    ["takes vCPU 0", /Invariant 4: .* without vCPU 0/],
    ["pins where another one is", /Invariant 3|Not converged|not all of them online/],
    ["acts while it should observe", /In observe mode/],
    ["forgets over a restart what it plugged", /was plugged by vbal and left there/, 105],
    ["forgets what it found", /left .* by a clean stop/],
    ["never plans anew", /Invariant 4|Not converged|planned/],
  ])("%s", (fault, complaint, from) => {
    expect(firstFailure({ controller: PLANTED[fault]! }, from)?.faults.join("\n")).toMatch(complaint);
  });

  test("decides by what its state does not hold", () => {
    const failed = firstFailure({ controller: forgetful() });
    expect(failed?.faults.join("\n")).toMatch(/the same step from the journalled state differs/);
  });
});

/** `from`: the first seed that it fails by now. Those before it take half a minute to show nothing. */
function firstFailure(parts: SwarmParts, from = 1): SwarmRun | undefined {
  for (const seed of range(from, from + 999)) {
    const run = runSwarm(seed, parts);
    if (0 < run.faults.length) return run;
  }
  return undefined;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}
