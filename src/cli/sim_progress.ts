/** How far a study has come and how long it will still take, told now and then on standard error. */
import type { Terminal } from "./terminal.ts";

/** Often enough to see that it moves. */
const TELL_EVERY_MS = 2_000;

export function progressLine(terminal: Terminal): (done: number, of: number) => void {
  let told = performance.now();
  let batch: { readonly of: number; readonly since: number; readonly first: number } | null = null;
  return (done, of) => {
    const now = performance.now();
    if (batch?.of !== of || done < batch.first) batch = { of, since: now, first: done };
    if (now - told < TELL_EVERY_MS) return;
    told = now;
    const each = (now - batch.since) / Math.max(1, done - batch.first);
    const left = done > batch.first ? `, ${renderLeft(each * (of - done))} left` : "";
    terminal.printError(`${done} of ${of} runs (${Math.floor((100 * done) / of)} %)${left}`);
  };
}

function renderLeft(ms: number): string {
  const seconds = Math.ceil(ms / 1000);
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.ceil(minutes / 60)} h`;
}
