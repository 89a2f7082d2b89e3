/** Whose vCPU is it that stands in a slot where vbal plugged once? */
import { describe, expect, it } from "vitest";
import type { DomainState } from "./controller_state.ts";
import type { CommandOutcome } from "./event.ts";
import type { Vcpu } from "./model.ts";
import {
  afterPlug,
  afterRestart,
  lookAtPlugged,
  PLUG_COMES_WITHIN_MS,
  type PluggedSlot,
  removableOf,
  withPluggedSlot,
} from "./plugged_vcpus.ts";
import { domainOf } from "./sample_host.ts";

const SLOT = { guestSocket: 0, guestCore: 2, guestThread: 0, guestNode: 0 };
const LOST: CommandOutcome = { ok: false, failure: "timed-out", why: "No answer" };
const REFUSED: CommandOutcome = { ok: false, failure: "no-such-slot", why: "The slot is taken" };

type Happening =
  /** vbal gives the command to plug. */
  | "plug"
  | "ended"
  | "lost"
  | "refused"
  /** The daemon is started anew. */
  | "restart"
  /** A look that shows a vCPU in the slot, or none. */
  | "full"
  | "empty"
  /** Longer than any vCPU may take to come. */
  | "later";

describe("a vCPU in the slot is vbal's", () => {
  it.each<[string, boolean, readonly Happening[]]>([
    ["when it was plugged", true, ["plug", "ended", "full"]],
    ["not when somebody plugs after it went", false, ["plug", "ended", "full", "empty", "full"]],
    ["also when it comes after the command timed out", true, ["plug", "lost", "empty", "full"]],
    ["not when the hypervisor had refused", false, ["plug", "refused", "full"]],
    ["also when a second try found the slot taken", true, ["plug", "lost", "plug", "refused", "full"]],
    // Two commands, of which the first takes effect when the vCPU of the second has gone (swarm, seed 2635).
    [
      "also when it is the second to come",
      true,
      ["plug", "restart", "plug", "ended", "full", "empty", "full"],
    ],
    ["also when nobody heard of either", true, ["plug", "lost", "plug", "lost", "full", "empty", "full"]],
    ["not when it comes when none of vbal's can", false, ["plug", "lost", "empty", "later", "empty", "full"]],
    [
      "not when a daemon long ago plugged there",
      false,
      ["plug", "ended", "full", "later", "restart", "full", "empty", "full"],
    ],
    ["also when it has been there for long", true, ["plug", "lost", "full", "later", "full"]],
  ])("%s: %s", (_, isOurs, happenings) => {
    expect(check(happenings)).toBe(isOurs);
  });
});

function check(happenings: readonly Happening[]): boolean {
  const bare = domainOf("a", { vcpus: 2 });
  const vcpu: Vcpu = { ...SLOT, index: 2, pins: null, removable: true };
  const full = { ...bare, vcpus: [...bare.vcpus, vcpu] };
  const command = { kind: "plug-vcpu", domain: "a", slot: SLOT } as const;
  let plugged: readonly PluggedSlot[] = [];
  let now = 0;
  const end = (outcome: CommandOutcome) => {
    plugged = afterPlug({ id: "a", plugged } as unknown as DomainState, command, outcome).plugged ?? [];
  };
  const HAPPENS: Readonly<Record<Happening, () => void>> = {
    plug: () => {
      plugged = withPluggedSlot(plugged, SLOT, now);
    },
    ended: () => end({ ok: true }),
    lost: () => end(LOST),
    refused: () => end(REFUSED),
    restart: () => {
      plugged = afterRestart(plugged);
    },
    full: () => {
      plugged = lookAtPlugged(plugged, full, now);
    },
    empty: () => {
      plugged = lookAtPlugged(plugged, bare, now);
    },
    later: () => {
      now += PLUG_COMES_WITHIN_MS;
    },
  };
  for (const happening of happenings) {
    now += 1_000;
    HAPPENS[happening]();
  }
  return 0 < removableOf(plugged, full).length;
}
