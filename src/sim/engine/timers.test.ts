import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Slots } from "./slots.ts";
import { Timers } from "./timers.ts";

const FIRST_KIND = 3;

/** Arms and disarms as told, then drains; returns the (time, kind, entity) in the order in which they came. */
function drain(salt: number, commands: readonly (readonly [id: number, at: number | null])[]): string[] {
  const timers = new Timers([4, 3, 5], FIRST_KIND, salt);
  for (const [id, at] of commands) {
    const kind = timers.kind[id]!;
    const entity = timers.entity[id]!;
    if (at === null) timers.disarm(kind, entity);
    else timers.arm(kind, entity, at);
  }
  const order: string[] = [];
  for (let id = timers.first(); id >= 0; id = timers.first()) {
    order.push(`${timers.time[id]}:${timers.kind[id]}:${timers.entity[id]}`);
    timers.remove(id);
  }
  return order;
}

const commands = fc.array(
  fc.tuple(fc.integer({ min: 0, max: 11 }), fc.option(fc.integer({ min: 0, max: 20 }))),
  { maxLength: 60 },
);

describe("timers", () => {
  test("come by time, then kind, then entity, each once, at its last armed time", () => {
    fc.assert(
      fc.property(commands, (list) => {
        const last = new Map<number, number>();
        for (const [id, at] of list) {
          if (at === null) last.delete(id);
          else last.set(id, at);
        }
        const expected = [...last].sort(([a, ta], [b, tb]) => ta - tb || a - b);
        const place = (id: number) => (id < 4 ? [3, id] : id < 7 ? [4, id - 4] : [5, id - 7]);
        expect(drain(0, list)).toEqual(expected.map(([id, at]) => [at, ...place(id)].join(":")));
      }),
    );
  });

  test("a tie salt changes the order of equal times only", () => {
    const list = Array.from({ length: 12 }, (_, id) => [id, id < 6 ? 1 : 2] as const);
    const salted = drain(7, list);
    expect(salted).not.toEqual(drain(0, list));
    expect(salted.toSorted()).toEqual(drain(0, list).toSorted());
    expect(salted.map((event) => event[0]).join("")).toBe("111111222222");
  });
});

describe("slots", () => {
  // Near, on both sides of where the epoch must move, far, and never.
  const SECOND = 2 ** 30;
  const at = fc.oneof(
    fc.nat(9),
    fc.integer({ min: SECOND - 2, max: SECOND + 2 }),
    fc.integer({ min: 1e12, max: 1e12 + 9 }),
    fc.constant(Number.POSITIVE_INFINITY),
  );

  test.each([
    { count: 1, salt: 0 },
    { count: 2, salt: 0 },
    { count: 3, salt: 0 },
    { count: 12, salt: 0 },
    { count: 32, salt: 0 },
    { count: 33, salt: 0 },
    { count: 100, salt: 0 },
    { count: 12, salt: 7 },
    { count: 100, salt: 7 },
  ])(
    "$count pCPUs, salt $salt: the first is the least by time, then number or salted rank",
    ({ count, salt }) => {
      const armings = fc.array(fc.tuple(fc.nat(count - 1), at, fc.nat(2)), { minLength: 1, maxLength: 200 });
      fc.assert(
        fc.property(armings, (list) => {
          const slots = new Slots(count, salt);
          const all = Array.from({ length: count }, (_, slot) => slot);
          const before = (a: number, b: number) =>
            slots.time[a] === slots.time[b]
              ? slots.rankOf(a) < slots.rankOf(b)
              : slots.time[a]! < slots.time[b]!;
          for (const [slot, time, kind] of list) {
            slots.arm(slot, time, kind);
            const first = slots.first();
            const expected = all.reduce((best, each) => (before(each, best) ? each : best));
            // When nothing is armed, any slot will do.
            const isRight = slots.time[expected] === Number.POSITIVE_INFINITY || first === expected;
            expect([slots.time[first], isRight]).toEqual([slots.time[expected], true]);
          }
        }),
        { numRuns: 30 },
      );
    },
  );
});
