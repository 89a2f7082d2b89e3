/** Every case with its error, as they are. */
import { alignedTable } from "../aligned_table.ts";
import { percent, type WhatIfBenchResult } from "./bench_whatif.ts";
import { meetingLine } from "./meeting_cost.ts";
import { sharingLine } from "./sharing_loss.ts";

export function renderWhatIfBench(result: WhatIfBenchResult): string[] {
  const interval = ({ value, ci95 }: { readonly value: number; readonly ci95: readonly [number, number] }) =>
    `${value.toFixed(2)} [${ci95.map((end) => end.toFixed(2)).join(", ")}]`;
  const { cases, failed, medianAbsoluteError, coveredCases, host, seconds, sharing, meeting } = result;
  return [
    `Throughput under vbal strict over that before, predicted from ${seconds} s of record; ${host.pcpus} pCPUs, ${host.accelerator}`,
    sharingLine(sharing),
    meetingLine(meeting),
    "",
    ...alignedTable([
      ["program", "guest", "predicted", "measured", "error", "within the interval"],
      ...cases.map(({ program, guest, predicted, measured, error, covered }) => [
        program,
        guest,
        interval(predicted),
        interval(measured),
        percent(error),
        covered ? "yes" : "no",
      ]),
    ]),
    ...failed.map(({ program, why }) => `${program} failed: ${why}`),
    "",
    cases.length === 0
      ? "Nothing could be compared"
      : `Median error ${(100 * medianAbsoluteError).toFixed(0)} % (asked: under ${100 * ERROR_ASKED} %, ${medianAbsoluteError < ERROR_ASKED ? "met" : "not met"}); ${coveredCases} of ${cases.length} measured values lie within the predicted interval`,
  ];
}

/** The median error that is asked for on lab guests. */
const ERROR_ASKED = 0.15;
