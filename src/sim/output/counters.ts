/** What changes in steps over a window: pCPUs in use, and per domain the vCPUs that are online and those that wait for a pCPU. */
import type { Span, Timeline, VcpuSpan } from "./timeline.ts";

export interface Counter {
  readonly name: string;
  /** Index of the domain; null for the host. */
  readonly domain: number | null;
  /** In the order of time, each until the next; neighbours differ. */
  readonly points: readonly { readonly at: number; readonly value: number }[];
}

export function countersOf({ from, to, pcpus, domains }: Timeline): Counter[] {
  const count = (spans: readonly Span[]) => steps(spans, { from, to });
  const busy = pcpus.flatMap((spans) => spans.filter(({ runs }) => runs !== null));
  return [
    { name: "pCPUs in use", domain: null, points: count(busy) },
    ...domains.flatMap(({ vcpus }, domain): Counter[] => [
      { name: "online vCPUs", domain, points: count(vcpus.flat().filter(isOnline)) },
      { name: "vCPUs that wait for a pCPU", domain, points: count(vcpus.flat().filter(waits)) },
    ]),
  ];
}

function isOnline({ cause }: VcpuSpan): boolean {
  return cause !== "offline";
}

function waits({ cause }: VcpuSpan): boolean {
  return cause === "steal" || cause === "co-stopped" || cause === "parked";
}

/** How many of the spans contain each moment. */
function steps(spans: readonly Span[], window: Span): { at: number; value: number }[] {
  const changes = new Map<number, number>([[window.from, 0]]);
  const change = (at: number, by: number): void => void changes.set(at, (changes.get(at) ?? 0) + by);
  for (const { from, to } of spans) {
    change(from, 1);
    change(to, -1);
  }
  const points: { at: number; value: number }[] = [];
  let value = 0;
  for (const [at, by] of [...changes].sort(([x], [y]) => x - y)) {
    value += by;
    if (at < window.to && value !== points.at(-1)?.value) points.push({ at, value });
  }
  return points;
}
