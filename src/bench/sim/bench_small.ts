/** The small model beside its twins, in turn within every round, on the same events. */
import { type Interval, median, medianInterval, ratioInterval } from "../statistics.ts";
import { type MiniConfig, runMini2l } from "./mini2l.ts";
import { processorSeconds } from "./processor_seconds.ts";
import { checkedRun, type Twin, type TwinName } from "./twins.ts";

export const REGIMES = [50, 2000] as const;

export interface SmallRow {
  /** Lock sections between barriers: 50 meets often, at 2000 locks outlive slices. */
  readonly sections: (typeof REGIMES)[number];
  readonly engine: "vbal" | TwinName;
  /** Events per second of processor time: the median of the rounds, with a 95 % interval. */
  readonly eventsPerSecond: number;
  readonly ci95: Interval;
  /** Our rate over this one, of pairs of one round. */
  readonly vbalOver: number;
  readonly vbalOverCi95: Interval;
  readonly rounds: readonly number[];
}

export interface SmallOptions {
  readonly rounds: number;
  /** Rounds before the first that counts, in which V8 compiles. */
  readonly warmUp: number;
  readonly events: number;
}

/** V8 goes on compiling for longer than a few runs of a fifth of a second take. */
const WARM_UP_FACTOR = 3;

/**
 * SimPy gets a part of the events, or the others would wait for it for minutes; its rate is the same. simjs gets all of them,
 * of which it runs as many again before: with a fifth, V8 had not compiled half of it, and it seemed two thirds as fast as it is.
 */
const PART_OF_EVENTS: Readonly<Record<TwinName, number>> = { cxx: 1, simjs: 1, simpy: 0.1 };

export function benchSmall(
  { rounds, warmUp, events }: SmallOptions,
  sections: SmallRow["sections"],
  twins: readonly Twin[],
): SmallRow[] {
  const config: MiniConfig = { pcpus: 12, domains: 2, vcpus: 12, sections, seed: 1, events };
  const present = twins.filter((twin) => "run" in twin);
  const rates = new Map<SmallRow["engine"], number[]>([
    ["vbal", []],
    ...present.map(({ name }): [TwinName, number[]] => [name, []]),
  ]);
  for (let round = 0; round < warmUp * WARM_UP_FACTOR; round++) runMini2l(config);
  for (let round = 0; round < rounds; round++) {
    rates.get("vbal")!.push(events / processorSeconds(() => runMini2l(config)));
    for (const twin of present) {
      const part = { ...config, events: Math.round(events * PART_OF_EVENTS[twin.name]) };
      rates.get(twin.name)!.push(part.events / checkedRun(twin, part).seconds);
    }
  }
  const ours = rates.get("vbal")!;
  return [...rates].map(([engine, values]) => {
    const { ratio, ci95 } = ratioInterval(ours, values);
    return {
      sections,
      engine,
      eventsPerSecond: median(values),
      ci95: medianInterval(values),
      vbalOver: ratio,
      vbalOverCi95: ci95,
      rounds: values,
    };
  });
}
