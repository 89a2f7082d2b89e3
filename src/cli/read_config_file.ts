/** Reads a config file that a person named, or says where it is wrong. */
import { THRESHOLD_IDS } from "../agent/monitor/thresholds.ts";
import { type Config, parseConfig } from "../protocol/config.ts";
import { badFile } from "./cli_error.ts";
import { readNamedFile } from "./read_file.ts";

export async function readConfigFile(file: string): Promise<Config> {
  const result = parseConfig({ file, text: await readNamedFile(file), measures: THRESHOLD_IDS });
  if ("errors" in result) throw badFile(result.errors);
  return result.config;
}
