/**
 * A named workload: its parameters with the source of every number, and how they make a program.
 *
 * Source tags are those of the literature notes in docs/simulator.md. `uncalibrated` marks a number that was inferred
 * or chosen and has not been fitted to a measurement: results that hang on it hold in direction only.
 */
import type { Crowding, Duration, Step, Workload } from "../program.ts";

export interface LibraryWorkload {
  readonly name: string;
  /** One sentence: which program, and what it is limited by. */
  readonly brief: string;
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly build: (size: Size) => Workload;
}

export interface Parameter {
  readonly value: number;
  readonly unit: "ns" | "count" | "fraction" | "per second";
  /** Where the number comes from. */
  readonly source: string;
  readonly uncalibrated?: true;
}

export interface Size {
  /** As many as the program starts; programs that count CPUs start one per vCPU. */
  readonly threads: number;
  /** The amount of work: 1 is of the order of a second on a dozen pCPUs. */
  readonly scale: number;
  readonly values: Readonly<Record<string, number>>;
}

/** A workload whose `build` sees the values of exactly the parameters that it declares. */
export function defineWorkload<const P extends Readonly<Record<string, Parameter>>>(
  workload: Omit<LibraryWorkload, "parameters" | "build"> & {
    readonly parameters: P;
    readonly build: (size: Omit<Size, "values"> & { readonly values: Values<P> }) => Workload;
  },
): LibraryWorkload {
  return { ...workload, build: (size) => workload.build({ ...size, values: size.values as Values<P> }) };
}

export type Values<P> = { readonly [K in keyof P]: number };

/** The parameters' own values, with some of them replaced. */
export function valuesOf(
  { parameters }: LibraryWorkload,
  replaced: Readonly<Record<string, number>> = {},
): Readonly<Record<string, number>> {
  const own = Object.entries(parameters).map(([name, { value }]) => [name, value] as const);
  return { ...Object.fromEntries(own), ...replaced };
}

/** A number of repetitions under `scale`: at least one. */
export function times(count: number, scale: number): number {
  return Math.max(1, Math.round(count * scale));
}

export function compute(time: Duration, mode: "user" | "kernel" = "user"): Step {
  return { do: "compute", time, mode };
}

/** Work that takes longer the more run at once. */
export function crowded(time: Duration, crowding: Crowding, mode: "user" | "kernel" = "user"): Step {
  return { do: "compute", time, mode, crowding };
}

/** Around a mean. 0.1 for work that is divided evenly, 1 for work that is not. */
export function around(mean: number, cv: number): Duration {
  return { mean: Math.max(1, Math.round(mean)), cv };
}

export function repeat(count: number, ...body: Step[]): Step {
  return { do: "repeat", times: count, body };
}

export function underLock(lock: string, ...body: Step[]): Step[] {
  return [{ do: "lock", lock }, ...body, { do: "unlock", lock }];
}

export function reading(lock: string, ...body: Step[]): Step[] {
  return [{ do: "down-read", lock }, ...body, { do: "up-read", lock }];
}

export function writing(lock: string, ...body: Step[]): Step[] {
  return [{ do: "down-write", lock }, ...body, { do: "up-write", lock }];
}

export const MARK: Step = { do: "mark" };
