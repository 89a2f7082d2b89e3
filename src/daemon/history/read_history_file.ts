/** A history as a record of the past: any stretch of time of a domain, second by second where seconds are kept. */
import type { HistoryView } from "../../protocol/api_history.ts";
import { HistoryReader } from "./read_history.ts";

/** Calls `use` with a reader of the file, and closes it. Throws when the file is no history. */
export function readHistoryFile<Result>(
  path: string,
  use: (read: (domain: string, fromMs: number, toMs: number) => HistoryView) => Result,
): Result {
  const reader = new HistoryReader(path);
  try {
    return use((name, fromMs, toMs) =>
      reader.read({ kind: "domain", name, fromMs, toMs, points: Math.ceil((toMs - fromMs) / 1_000) + 2 }),
    );
  } finally {
    reader.close();
  }
}
