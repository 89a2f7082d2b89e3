/** The study's own files, which are shipped with the program: acceptance bands and the result of calibration. */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Calibration, parseCalibration } from "../study/calibrate/calibration.ts";
import { type BandFile, parseBands, parseExplanations } from "../study/reproduce/bands.ts";
import { type Probe, parseProbes } from "../study/reproduce/probe.ts";
import type { Sensitivity } from "../study/sensitivity/sensitivity.ts";
import { parseSensitivity } from "../study/sensitivity/sensitivity_file.ts";

const STUDIES = new URL("../../studies/", import.meta.url);
export const CALIBRATION_FILE: URL = new URL("calibration.yaml", STUDIES);

export const SENSITIVITY_FILE: URL = new URL("sensitivity.yaml", STUDIES);

/** The compiled thread that runs simulate on. */
export const RUN_WORKER: URL = new URL("../study/runs/run_worker.js", import.meta.url);

export interface StudyFiles {
  readonly bands: BandFile;
  readonly calibration: Calibration;
  readonly explanations: Readonly<Record<string, string>>;
  readonly probes: readonly Probe[];
  /** Null until `vbal sim sensitivity` has run once. */
  readonly sensitivity: Sensitivity | null;
}

export function readStudyFiles(): StudyFiles {
  const read = (name: string): string => readFileSync(new URL(name, STUDIES), "utf8");
  return {
    bands: parseBands(read("bands.yaml")),
    calibration: parseCalibration(read("calibration.yaml")),
    explanations: parseExplanations(read("explanations.yaml")),
    probes: parseProbes(read("probes.yaml")),
    sensitivity: existsSync(SENSITIVITY_FILE) ? parseSensitivity(read("sensitivity.yaml")) : null,
  };
}

/** What a run's row depends on, beside its scenario. */
const PROGRAM_FOLDERS = ["core", "protocol", "sim", "study/runs"];

/** Names the compiled program that makes rows: finished runs of another build are not mixed with this one's. */
export function programDigest(): string {
  const hash = createHash("sha256");
  for (const folder of PROGRAM_FOLDERS) {
    const whole = fileURLToPath(new URL(`../${folder}/`, import.meta.url));
    const files = existsSync(whole) ? readdirSync(whole, { recursive: true, encoding: "utf8" }) : [];
    for (const file of files.filter((name) => name.endsWith(".js")).sort()) {
      hash.update(file).update(readFileSync(`${whole}/${file}`));
    }
  }
  return hash.digest("hex").slice(0, DIGEST_CHARACTERS);
}

/** As long as the digests of configs. */
const DIGEST_CHARACTERS = 16;
