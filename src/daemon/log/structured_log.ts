/**
 * The daemon's log for programs: one JSON value per line with keys that stay: `level` (info, warning, error), `atMs`
 * (milliseconds since 1970), `code` and `domain` where a line has them, and `text`, the sentence that a person reads.
 */
import { pino } from "pino";
import type { LogLine } from "../daemon.ts";

/** `write` takes whole lines without their end. */
export function structuredLog(
  write: (line: string) => void,
  nowMs: () => number = Date.now,
): (line: LogLine) => void {
  const log = pino(
    {
      base: null,
      messageKey: "text",
      timestamp: () => `,"atMs":${nowMs()}`,
      customLevels: { warning: 40 },
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: (line: string) => write(line.trimEnd()) },
  );
  return ({ level, text, code, domain }) =>
    log[level](
      {
        ...(code === undefined ? {} : { code }),
        ...(domain === undefined || domain === null ? {} : { domain }),
      },
      text,
    );
}
