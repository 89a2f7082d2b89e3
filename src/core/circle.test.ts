/** Who waits for whom, and who is let through. */
import { expect, it } from "vitest";
import { firstOfCircle } from "./circle.ts";
import { type BlockedPin, vcpuKey } from "./reconcile.ts";

it.each<[string, string, string | undefined]>([
  ["nobody waits", "", undefined],
  ["a queue, whose first waits for somebody who is merely slow", "b>a c>b d>c", undefined],
  ["two exchange", "a>b b>a", "a"],
  ["three in a ring, and one that waits for it", "d>a a>b b>c c>a", "a"],
  ["two rings: the first in the order given", "z>y y>z a>b b>a", "z"],
  ["one waits for itself, and the other for it", "a>b b>b", "b"],
  ["of several that it waits for one leads back", "a>x,y,b b>x,a", "a"],
  ["between two rings, in neither", "m>a,z a>b b>a z>y y>z", "a"],
])("%s: %s", (_, waits, first) => {
  expect(check(waits)).toBe(first);
});

/** `a>b,c`: vCPU 0 of a waits for those of b and c. */
function check(waits: string): string | undefined {
  const of = new Map<string, string[]>();
  for (const one of waits.split(" ").filter((text) => text !== "")) {
    const [who, whom] = one.split(">") as [string, string];
    of.set(who, [...(of.get(who) ?? []), ...whom.split(",")]);
  }
  const blocked = [...of].map(
    ([domain, others]): BlockedPin => ({
      command: { kind: "pin-vcpu", domain, vcpu: 0, pcpus: [0] },
      waitsFor: others.map((other) => vcpuKey(other, 0)),
    }),
  );
  return firstOfCircle(blocked)?.command.domain;
}
