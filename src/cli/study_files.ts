/** The study's own files, which are shipped with the program: acceptance bands and the result of calibration. */
import { readFileSync } from "node:fs";
import { type Calibration, parseCalibration } from "../study/calibrate/calibration.ts";
import { type BandFile, parseBands } from "../study/reproduce/bands.ts";

const STUDIES = new URL("../../studies/", import.meta.url);
export const CALIBRATION_FILE: URL = new URL("calibration.yaml", STUDIES);

/** The compiled thread that runs simulate on. */
export const RUN_WORKER: URL = new URL("../study/runs/run_worker.js", import.meta.url);

export function readStudyFiles(): { readonly bands: BandFile; readonly calibration: Calibration } {
  return {
    bands: parseBands(readFileSync(new URL("bands.yaml", STUDIES), "utf8")),
    calibration: parseCalibration(readFileSync(CALIBRATION_FILE, "utf8")),
  };
}
