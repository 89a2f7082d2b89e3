/** The time of day, "14:05:09", where the clocks are `utcOffsetMinutes` ahead of UTC. */
export function renderTime(atMs: number, utcOffsetMinutes: number): string {
  return new Date(atMs + utcOffsetMinutes * 60_000).toISOString().slice(11, 19);
}
