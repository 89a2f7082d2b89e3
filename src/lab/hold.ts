/** A guest whose kernel lets none of its vCPUs go (guest/hold.c). */
import type { Guest } from "./guest.ts";

/** Resolves when it holds all that are online now, with the function that ends it. */
export async function hold(guest: Guest): Promise<() => Promise<void>> {
  await new Promise<void>((held, failed) => {
    const ended = guest.exec(["/lab/hold"], { onLine: () => held(), deadlineMs: HOLD_MAX_MS });
    ended.then(({ stderr }) => failed(new Error(`Guest ${guest.name} does not hold: ${stderr}`)), failed);
  });
  return async () => void (await guest.output(["killall", "hold"]));
}

/** Longer than any test. */
const HOLD_MAX_MS = 600_000;
