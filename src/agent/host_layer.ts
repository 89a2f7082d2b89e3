/**
 * The host's layer of thresholds on file, so that `vbal-agent thresholds` and `measures`, which are other processes than
 * the running agent, show what is in force. It is for people: the running agent never reads it.
 */
import { parsed } from "../protocol/parse_fields.ts";
import type { ThresholdLayer } from "./monitor/thresholds.ts";
import { jsonOf, thresholdValues } from "./monitor_config.ts";
import type { Platform } from "./platform.ts";

/** `null`: the host wants no monitor, so it has no layer either. */
export function writeHostLayer(
  platform: Platform,
  path: string,
  values: ThresholdLayer["values"] | null,
): void {
  if (values === null) {
    platform.remove(path);
    return;
  }
  const why = platform.replaceFile(path, `${JSON.stringify(values)}\n`);
  if (why !== null) platform.log(`The host's thresholds could not be put on file, ${path}: ${why}`);
}

/** Empty without a running agent, or when its host has set none. */
export function readHostLayer(platform: Platform, path: string): ThresholdLayer["values"] {
  const text = platform.readFile(path);
  if (text === null) return {};
  const result = parsed(() => thresholdValues(jsonOf(text), path));
  return result.ok ? result.message : {};
}

/** Gone after a reboot, as what it describes. */
export const HOST_LAYER_PATH = "/run/vbal-agent.host.json";
