/** The journal that a daemon of a test left. */
import { readFileSync } from "node:fs";
import type { ControllerState } from "../core/controller_state.ts";
import type { ControllerEvent } from "../core/event.ts";
import type { ControllerRecord } from "../daemon/replay.ts";
import { decodeJournal } from "../protocol/journal.ts";

/** Throws when a record of it is lost. */
export function journalAt(path: string): readonly ControllerRecord[] {
  const decoded = decodeJournal<ControllerEvent, ControllerState>(readFileSync(path, "latin1"));
  if ("unreadable" in decoded) throw new Error(decoded.unreadable);
  if (0 < decoded.damage.length) throw new Error(`${path}: ${JSON.stringify(decoded.damage)}`);
  return decoded.records;
}
