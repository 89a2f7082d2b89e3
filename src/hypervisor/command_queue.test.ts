import { expect, test } from "vitest";
import { createCommandQueue, QUEUE_LENGTH_MAX } from "./command_queue.ts";
import { CommandError } from "./port.ts";
import { createVirtualTimers } from "./simulated/virtual_timers.ts";

/** Commands that take `ms` each, all called at time 0; tells how each ended and when. */
async function check(calls: readonly { domain: string; ms: number; deadline: number }[]): Promise<string[]> {
  const timers = createVirtualTimers();
  const queue = createCommandQueue(timers);
  const outcomes = calls.map(({ domain, ms, deadline }) =>
    queue
      .run(
        { domain, deadline, what: "Test" },
        (signal) =>
          new Promise<string>((resolve, reject) => {
            timers.after(ms, () => resolve("done"));
            signal.addEventListener("abort", () => reject(new Error("ended")));
          }),
      )
      .catch((error: unknown) => (error instanceof CommandError ? error.failure : String(error)))
      .then((outcome) => `${outcome} at ${timers.now()}`),
  );
  await timers.advance(1_000);
  return Promise.all(outcomes);
}

test.each([
  [
    "one domain: in order, one after another",
    [
      { domain: "a", ms: 10, deadline: 100 },
      { domain: "a", ms: 10, deadline: 100 },
    ],
    ["done at 10", "done at 20"],
  ],
  [
    "two domains: at the same time",
    [
      { domain: "a", ms: 10, deadline: 100 },
      { domain: "b", ms: 10, deadline: 100 },
    ],
    ["done at 10", "done at 10"],
  ],
  [
    "a late command ends at its deadline and lets the next one run",
    [
      { domain: "a", ms: 500, deadline: 30 },
      { domain: "a", ms: 10, deadline: 100 },
    ],
    ["timed-out at 30", "done at 40"],
  ],
  [
    "the time in the queue counts",
    [
      { domain: "a", ms: 50, deadline: 100 },
      { domain: "a", ms: 10, deadline: 20 },
    ],
    ["done at 50", "timed-out at 20"],
  ],
])("%s", async (_, calls, expected) => {
  expect(await check(calls)).toEqual(expected);
});

test("abandoning a domain ends its commands, waiting and running, and no other's", async () => {
  const timers = createVirtualTimers();
  const queue = createCommandQueue(timers);
  const wait = () => new Promise<string>((resolve) => void timers.after(10, () => resolve("done")));
  const run = (domain: string) =>
    queue.run({ domain, deadline: 100, what: "Test" }, wait).catch((error: Error) => error.message);
  const outcomes = [run("a"), run("a"), run("b")];
  queue.abandon("a", new CommandError("no-such-domain", "a died"));
  await timers.advance(50);
  expect(await Promise.all(outcomes)).toEqual(["a died", "a died", "done"]);
});

test("a caller that never waits for answers is stopped", async () => {
  const queue = createCommandQueue(createVirtualTimers());
  const call = { domain: "a", deadline: 100, what: "Test" };
  for (let i = 0; i < QUEUE_LENGTH_MAX; i++) void queue.run(call, () => new Promise(() => undefined));
  await expect(queue.run(call, async () => 1)).rejects.toThrow(/256 commands already wait for domain a/);
});
