/** The lab beside the simulator as lines for a terminal. */
import type { Interval } from "../statistics.ts";
import type { LabPrediction } from "./lab_prediction.ts";

export function renderLabPrediction({ programs, bothBusyRate, replications }: LabPrediction): string[] {
  return [
    `Seconds. Fitted to one guest alone; two guests are predicted (medians of ${replications}, 95 % intervals)`,
    `A pCPU works at ${bothBusyRate.toFixed(2)} of its speed while the other works too`,
    ...programs.flatMap(
      ({ program, aloneOneSeconds, aloneSeconds, fittedAloneSeconds, meetingFactor, arms }) => [
        `${program}: alone on one vCPU ${seconds(aloneOneSeconds)}, on two ${seconds(aloneSeconds)} (fitted ${seconds(fittedAloneSeconds)}, costs of meeting x ${meetingFactor.toPrecision(2)})`,
        ...arms.map(
          ({ arm, realSeconds, realCi95, predictedSeconds, predictedCi95, error }) =>
            `  ${arm.padEnd(8)}  real ${range(realSeconds, realCi95)}  predicted ${range(predictedSeconds, predictedCi95)}  error ${error < 0 ? "" : "+"}${(100 * error).toFixed(0)} %`,
        ),
      ],
    ),
  ];
}

function range(value: number, [low, high]: Interval): string {
  return `${seconds(value)} (${seconds(low)} to ${seconds(high)})`;
}

function seconds(value: number): string {
  return value.toFixed(2);
}
