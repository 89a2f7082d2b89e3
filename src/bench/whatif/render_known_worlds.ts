/** Every world with its truth and all predictions, as they are. */
import { alignedTable } from "../aligned_table.ts";
import { KNOWN_RECORDS, type KnownAnswer, type KnownRecord, type KnownWorldsResult } from "./known_worlds.ts";

export function renderKnownWorlds({ worlds, ...all }: KnownWorldsResult): string[] {
  const shown = ({ predicted: { value, ci95 }, close, covered }: KnownAnswer) =>
    `${value.toFixed(2)} [${ci95.map((end) => end.toFixed(2)).join(", ")}], ${close} fit${covered ? "" : ", missed"}`;
  const { medianAbsoluteError: errors, coveredWorlds: covered } = all;
  const told = (which: KnownRecord) =>
    `Beside run and waiting ${which}: median error ${(100 * errors[which]).toFixed(0)} %, ${covered[which]} of ${worlds.length} within the interval`;
  return [
    "Throughput under vbal strict over that before, of worlds of the simulator",
    "",
    ...alignedTable([
      ["world", "truth", "dispatches/s", "interrupts/s", ...KNOWN_RECORDS.map((record) => `from ${record}`)],
      ...worlds.map(({ name, truth, dispatchesPerVcpu, interruptsPerVcpu, answers }) => [
        name,
        truth.toFixed(2),
        dispatchesPerVcpu.toFixed(0),
        interruptsPerVcpu.toFixed(0),
        ...KNOWN_RECORDS.map((record) => shown(answers[record])),
      ]),
    ]),
    "",
    ...KNOWN_RECORDS.map(told),
  ];
}
