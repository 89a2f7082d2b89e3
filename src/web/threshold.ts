/** A threshold as a person finds and writes it: the host's word as soon as it is given, the guest's once it follows. */
import type { MeasureView } from "../protocol/state_view.ts";

/** Of the host's layer; `null`: not to be watched; absent: left to the guest. */
export type HostThreshold = number | null | undefined;

export interface Standing {
  readonly value: number | null;
  /** The guest has not said yet that it does as the host says. */
  readonly isUnderWay: boolean;
}

export function standing({ threshold, origin }: MeasureView, host: HostThreshold): Standing {
  if (host === undefined) return { value: threshold, isUnderWay: origin === "host" };
  return { value: host, isUnderWay: origin !== "host" || threshold !== host };
}

/** Also what the host has ordered not to be watched: how else would one take that back? */
export function isWatched({ threshold }: MeasureView, host: HostThreshold): boolean {
  return threshold !== null || host !== undefined;
}

export function originText(measure: MeasureView, host: HostThreshold): string {
  const { isUnderWay } = standing(measure, host);
  if (isUnderWay) return host === undefined ? "given back, not heard yet" : "set by the host, not heard yet";
  return measure.origin === null ? "" : ORIGINS[measure.origin];
}

const ORIGINS = {
  default: "the agent's default",
  file: "in the guest's file",
  host: "set by the host",
  other: "set elsewhere",
} as const;
