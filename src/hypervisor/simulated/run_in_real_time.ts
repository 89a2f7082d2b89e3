/** Lets a simulated host live at the pace of the wall: for `npm start` where vbal may not touch the real host. */
import type { Milliseconds } from "../../core/units.ts";
import type { SimulatedHost } from "./simulated_host.ts";

/** Fine enough that a guest's reaction takes a visible while and coarse enough to cost nothing. */
export const TICK_MS: Milliseconds = 50;

/** Returns the function that stops it. A late tick is not made up for: its time may run a little slow. */
export function runInRealTime(host: SimulatedHost): () => void {
  let busy = false;
  const interval = setInterval(() => {
    if (busy) return;
    busy = true;
    void host.advance(TICK_MS).finally(() => {
      busy = false;
    });
  }, TICK_MS);
  return () => clearInterval(interval);
}
