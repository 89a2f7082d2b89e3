/** Every world with its truth and both predictions, as they are. */
import { alignedTable } from "../aligned_table.ts";
import type { KnownAnswer, KnownWorldsResult } from "./known_worlds.ts";

export function renderKnownWorlds({ worlds, ...all }: KnownWorldsResult): string[] {
  const shown = ({ predicted: { value, ci95 }, close, covered }: KnownAnswer) =>
    `${value.toFixed(2)} [${ci95.map((end) => end.toFixed(2)).join(", ")}], ${close} fit${covered ? "" : ", missed"}`;
  const { medianAbsoluteError: errors, coveredWorlds: covered } = all;
  const told = (which: "withDispatches" | "without") =>
    `median error ${(100 * errors[which]).toFixed(0)} %, ${covered[which]} of ${worlds.length} within the interval`;
  return [
    "Throughput under vbal strict over that before, of worlds of the simulator",
    "",
    ...alignedTable([
      ["world", "truth", "dispatches/s", "predicted without dispatches", "predicted with them"],
      ...worlds.map(({ name, truth, dispatchesPerVcpu, without, withDispatches }) => [
        name,
        truth.toFixed(2),
        dispatchesPerVcpu.toFixed(0),
        shown(without),
        shown(withDispatches),
      ]),
    ]),
    "",
    `Without dispatches: ${told("without")}`,
    `With them: ${told("withDispatches")}`,
  ];
}
