import { describe, expect, test } from "vitest";
import { keepConnected, PAUSE_LAST_MS } from "./keep_connected.ts";
import { createVirtualTimers } from "./simulated/virtual_timers.ts";

describe("keepConnected", () => {
  /** When it tries, in milliseconds, if every try fails but the ones named, which last so long. */
  async function tries(options: {
    until: number;
    lasting?: Record<number, number>;
    retryAt?: number;
  }): Promise<number[]> {
    const timers = createVirtualTimers();
    const at: number[] = [];
    const kept = keepConnected({
      timers,
      async connect() {
        at.push(timers.now());
        const lasts = options.lasting?.[at.length];
        if (lasts === undefined) throw new Error("refused");
        return {
          ended: new Promise((resolve) => void timers.after(lasts, () => resolve(new Error("ended")))),
        };
      },
      onFailure: () => undefined,
    });
    if (options.retryAt !== undefined) timers.after(options.retryAt, () => kept.retryNow());
    await timers.advance(options.until);
    kept.stop();
    await timers.advance(10 * PAUSE_LAST_MS);
    return at;
  }

  test("pauses double, up to the last; stopped, it tries no more", async () => {
    expect(await tries({ until: 20_000 })).toEqual([
      0, 50, 150, 350, 750, 1_550, 3_150, 6_350, 11_350, 16_350,
    ]);
  });

  test("a connection that stood begins with a short pause again", async () => {
    expect(await tries({ until: 5_000, lasting: { 4: 1_000 } })).toEqual([
      0, 50, 150, 350, 1_400, 1_500, 1_700, 2_100, 2_900, 4_500,
    ]);
  });

  test("told that something changed, it tries at once", async () => {
    expect(await tries({ until: 1_000, retryAt: 400 })).toEqual([0, 50, 150, 350, 400, 450, 550, 750]);
  });
});
