/** The rules themselves: what they must not overlook, and what they must not ask for. */
import { describe, expect, it } from "vitest";
import { type ControllerState, INITIAL_STATE } from "../../core/controller_state.ts";
import type { ControllerEvent } from "../../core/event.ts";
import { DEFAULT_DOMAIN_POLICY } from "../../core/policy.ts";
import { domainOf, flatHost, policyWith } from "../../core/sample_host.ts";
import type { CommandAction } from "../controller/simulated_shell.ts";
import { brokenRules } from "./safety_rules.ts";

const ENDED: ControllerEvent = {
  kind: "command-ended",
  id: 1,
  outcome: { ok: false, failure: "timed-out", why: "No answer" },
};
const UNPLUG: CommandAction = { id: 2, kind: "unplug-vcpu", domain: "a", vcpu: 1 };

describe("the plan counts a vCPU as gone while it is being unplugged, and the unplug times out", () => {
  it.each<[string, ControllerEvent, readonly CommandAction[], readonly RegExp[]]>([
    ["between that and the next look nothing is planned", ENDED, [], []],
    ["after the look there has to be another plan", { kind: "unchanged" }, [], [/its minimum is 2/]],
    ["nothing is done without a look", ENDED, [UNPLUG], [/Invariant 5: unplug-vcpu before a look/]],
  ])("%s", (_, event, actions, complaints) => {
    expect(check(event, actions)).toEqual(complaints.map((text) => expect.stringMatching(text)));
  });
});

/** Domain `a` has two vCPUs, is planned with one, and must not have fewer than two. */
function check(event: ControllerEvent, actions: readonly CommandAction[]): string[] {
  const policy = policyWith({ a: { ...DEFAULT_DOMAIN_POLICY, vcpusMin: 2 } });
  const vcpus = [0, 1].map((index) => ({ index, online: index === 0, pcpus: [0] }));
  const reasons = [{ code: "raised-to-minimum", vcpusMin: 2 }] as const;
  const state: ControllerState = {
    ...INITIAL_STATE,
    snapshot: { pcpus: flatHost(4), domains: [domainOf("a", { vcpus: 2, online: 1 })] },
    plan: {
      domains: [
        { id: "a", entitlement: 1_000, target: 1, vcpus, sharesWith: [], emulatorPcpus: [0], reasons },
      ],
      moves: [],
      idlePcpus: [],
      notes: [],
    },
  };
  return brokenRules({ event, now: 0, policy, before: state, step: { state, actions, notes: [] } });
}
