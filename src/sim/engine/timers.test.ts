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
  test.each([1, 2, 12, 32, 33, 100])("%i pCPUs: the first is the least by time, then number", (count) => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(count - 1), fc.nat(9), fc.nat(2)), { minLength: 1, maxLength: 200 }),
        (armings) => {
          const slots = new Slots(count, 0);
          for (const [slot, at, kind] of armings) {
            slots.arm(slot, at, kind);
            const all = Array.from({ length: count }, (_, s) => s);
            const key = (s: number) => slots.time[s]! * 1e9 + s;
            const expected = all.reduce((best, s) => (key(s) < key(best) ? s : best), 0);
            expect(slots.first()).toBe(expected);
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});
