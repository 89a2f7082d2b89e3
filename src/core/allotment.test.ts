import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type AllotmentMember, allot } from "./allotment.ts";

/** Members as [strict, wants, weight, present]. */
type Row = readonly [strict: number, wants: number, weight?: number, present?: number];

function check(capacity: number, rows: readonly Row[]): string[] {
  const members = rows.map(
    ([strict, wants, weight = 1, present = 0]): AllotmentMember => ({
      strict,
      wants,
      weight,
      present,
      least: 1,
    }),
  );
  return allot(capacity, members).map(({ target, loan }) =>
    loan === 0 ? `${target}` : `${target} (${loan} lent)`,
  );
}

describe("allot()", () => {
  it.each<{ why: string; capacity: number; rows: Row[]; allotted: string[] }>([
    {
      why: "what everybody is due",
      capacity: 8,
      rows: [
        [4, 4],
        [4, 4],
      ],
      allotted: ["4", "4"],
    },
    {
      why: "what one leaves unused is lent",
      capacity: 8,
      rows: [
        [4, 1],
        [4, 8],
      ],
      allotted: ["1", "7 (3 lent)"],
    },
    {
      why: "the owner has it back at once",
      capacity: 8,
      rows: [
        [4, 4],
        [4, 8, 1, 7],
      ],
      allotted: ["4", "4"],
    },
    {
      why: "nobody gets more than it wants",
      capacity: 8,
      rows: [
        [4, 2],
        [4, 5],
      ],
      allotted: ["2", "5 (1 lent)"],
    },
    {
      why: "nobody goes below its least",
      capacity: 4,
      rows: [
        [2, 0],
        [2, 3],
      ],
      allotted: ["1", "3 (1 lent)"],
    },
    {
      why: "loans by weight, as in the example",
      capacity: 8,
      rows: [
        [4, 1],
        [2, 8, 2],
        [2, 8, 1],
      ],
      allotted: ["1", "4 (2 lent)", "3 (1 lent)"],
    },
    {
      why: "of two alike, who has it keeps it",
      capacity: 6,
      rows: [
        [2, 1],
        [2, 3, 1, 2],
        [2, 3, 1, 3],
      ],
      allotted: ["1", "2", "3 (1 lent)"],
    },
  ])("$why", ({ capacity, rows, allotted }) => {
    expect(check(capacity, rows)).toEqual(allotted);
  });
});

const SEED = 3_005;
const RUNS = 500;

const member = fc
  .record({
    strict: fc.integer({ min: 1, max: 8 }),
    wants: fc.integer({ min: 0, max: 20 }),
    weight: fc.integer({ min: 1, max: 1000 }),
    present: fc.integer({ min: 0, max: 20 }),
  })
  .map((fields): AllotmentMember => ({ ...fields, least: 1 }));
const hosts = fc.record({
  members: fc.array(member, { minLength: 1, maxLength: 12 }),
  spare: fc.integer({ min: 0, max: 8 }),
});

describe(`allot(), ${RUNS} hosts from seed ${SEED}`, () => {
  const holds = (rule: (members: AllotmentMember[], capacity: number) => void) => {
    fc.assert(
      fc.property(hosts, ({ members, spare }) =>
        rule(
          members,
          members.reduce((sum, { strict }) => sum + strict, spare),
        ),
      ),
      { seed: SEED, numRuns: RUNS },
    );
  };
  const targets = (capacity: number, members: readonly AllotmentMember[]) =>
    allot(capacity, members).map(({ target }) => target);

  it("the sum is never above the capacity, and no pCPU stays free that somebody wants", () => {
    holds((members, capacity) => {
      const given = targets(capacity, members);
      const sum = given.reduce((total, target) => total + target, 0);
      const wanted = members.reduce((total, { wants }) => total + Math.max(1, wants), 0);
      expect(sum).toBe(Math.min(capacity, wanted));
    });
  });

  it("whoever wants its own has it, whatever the others want", () => {
    holds((members, capacity) => {
      targets(capacity, members).forEach((target, index) => {
        const { wants, strict } = members[index]!;
        expect(target).toBeGreaterThanOrEqual(Math.min(wants, strict));
        expect(target).toBeLessThanOrEqual(Math.max(wants, 1));
      });
    });
  });

  it("fair within rounding: no loan could be moved to somebody who has less for its weight", () => {
    holds((members, capacity) => {
      const given = allot(capacity, members);
      given.forEach(({ loan }, from) => {
        if (loan === 0) return;
        given.forEach((other, to) => {
          if (to === from || members[to]!.wants <= other.target) return;
          // A pCPU more for `to` would be at least as much for its weight as what `from` has.
          expect(loan / members[from]!.weight).toBeLessThanOrEqual((other.loan + 1) / members[to]!.weight);
        });
      });
    });
  });

  it("coherent: when one wants one more, at most one other has one less, and nobody else changes", () => {
    holds((members, capacity) => {
      const before = targets(capacity, members);
      const held = members.map((one, index) => ({ ...one, present: before[index]! }));
      const asking = held.map((one, index) => (index === 0 ? { ...one, wants: one.wants + 1 } : one));
      const changes = targets(capacity, asking).map((target, index) => target - before[index]!);
      expect(Math.abs(changes[0]! - 0.5)).toBe(0.5);
      const losses = changes.slice(1).filter((change) => change !== 0);
      expect(losses).toEqual(losses.length === 0 ? [] : [-1]);
    });
  });

  it("a second look changes nothing", () => {
    holds((members, capacity) => {
      const before = targets(capacity, members);
      const held = members.map((one, index) => ({ ...one, present: before[index]! }));
      expect(targets(capacity, held)).toEqual(before);
    });
  });
});
