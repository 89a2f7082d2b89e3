import { expect, it } from "vitest";
import { fullAllowance, REQUEST_BURST, REQUEST_EVERY_MS, spend } from "./request_rate.ts";

/** At each of these times a guest asks; which of them is heard? */
function check(times: readonly number[]): boolean[] {
  let allowance = fullAllowance(0);
  return times.map((now) => {
    const spent = spend(allowance, now);
    allowance = spent.allowance;
    return spent.retryAfter === 0;
  });
}

it("a burst is heard, then one request each interval", () => {
  const burst = Array.from({ length: REQUEST_BURST }, () => 0);
  expect(check([...burst, 0, REQUEST_EVERY_MS - 1, REQUEST_EVERY_MS, REQUEST_EVERY_MS])).toEqual([
    ...burst.map(() => true),
    false,
    false,
    true,
    false,
  ]);
});

it("a flood is heard as often as the rate says, and told when to ask again", () => {
  const everyMillisecond = Array.from({ length: 10_000 }, (_, now) => now);
  const heard = check(everyMillisecond).filter(Boolean).length;
  expect(heard).toBe(REQUEST_BURST + Math.floor(9_999 / REQUEST_EVERY_MS));
  const empty = { tokens: 0, at: 1000 };
  expect(spend(empty, 1200).retryAfter).toBe(REQUEST_EVERY_MS - 200);
});

it("a clock that steps back gives nothing away", () => {
  expect(spend({ tokens: 0, at: 5000 }, 1000).retryAfter).toBeGreaterThan(0);
});
