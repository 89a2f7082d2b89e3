/** Which lines of a history are drawn: all in pCPUs or vCPUs, so that they share an axis and can be compared. */
import type { Column, HistoryView } from "../protocol/api_history.ts";

export interface Line {
  readonly name: string;
  readonly unit: string;
  readonly values: Column;
}

/** Lines of which nothing is known are left out. */
export function linesOf({ kind, series }: HistoryView): readonly Line[] {
  const { runMilliPcpu, waitMilliPcpu, stealMilliPcpu, entitlementMilliPcpu, online, target } = series;
  const lines: readonly Line[] = [
    { name: "run", unit: "pCPUs", values: wholes(runMilliPcpu) },
    { name: "wait", unit: "pCPUs", values: wholes(waitMilliPcpu) },
    ...(kind === "domain"
      ? [
          { name: "entitled", unit: "pCPUs", values: wholes(entitlementMilliPcpu) },
          { name: "in use", unit: "vCPUs", values: online },
          { name: "should use", unit: "vCPUs", values: target },
        ]
      : [{ name: "steal", unit: "pCPUs", values: wholes(stealMilliPcpu) }]),
  ];
  return lines.filter(({ values }) => values.some((value) => value !== null));
}

const MILLI = 1_000;

function wholes(column: Column): Column {
  return column.map((value) => (value === null ? null : value / MILLI));
}
