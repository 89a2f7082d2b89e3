/**
 * The journal: every event that the daemon fed to the controller, in order, enough to replay it (invariant 12).
 * Append-only lines of JSON in pure ASCII, so that a character is a byte: a header, then one record per line with
 * its number and the CRC-32 of number and record.
 *
 *     {"journal":"vbal","version":1}
 *     {"seq":1,"crc":"6a0d5a13","record":{"kind":"start", ...}}
 *
 * What can be wrong with it, and what the decoder makes of that:
 * - The last line has no end, for the daemon was killed while writing: it is cut (`keepBytes`), nothing else is lost.
 * - A line in the middle is damaged or missing: the rest is still read; `damage` says which records are lost.
 * A file is read as latin1, which takes bytes to characters one to one, damaged or not.
 */
import type { Policy } from "../core/policy.ts";
import type { Milliseconds } from "../core/units.ts";
import { crc32 } from "./crc32.ts";

export const JOURNAL_VERSION = 1;

/** `Event` and `State` are the controller's; the journal only carries them. */
export type JournalRecord<Event = unknown, State = unknown> =
  /** A daemon began to write. `wallMs` ties its own clock, which all `now` are on, to the calendar. */
  | {
      readonly kind: "start";
      readonly daemonVersion: string;
      readonly policy: Policy;
      readonly now: Milliseconds;
      readonly wallMs: number;
    }
  /** The controller was fed this; `actions` is the digest of what it answered. */
  | { readonly kind: "event"; readonly now: Milliseconds; readonly event: Event; readonly actions: string }
  /** From here on the policy is this. */
  | { readonly kind: "policy"; readonly now: Milliseconds; readonly policy: Policy }
  /** The controller's state after all that stands before: a replay may begin here. */
  | {
      readonly kind: "checkpoint";
      readonly now: Milliseconds;
      readonly policy: Policy;
      readonly state: State;
    }
  /** For a person; a replay passes over it. */
  | { readonly kind: "note"; readonly now: Milliseconds; readonly text: string };

export interface NumberedRecord<Event = unknown, State = unknown> {
  readonly seq: number;
  /** The line in the file, from 1; the header is line 1. */
  readonly line: number;
  readonly record: JournalRecord<Event, State>;
}

export interface Journal<Event = unknown, State = unknown> {
  readonly records: readonly NumberedRecord<Event, State>[];
  /** The number for the next record. */
  readonly nextSeq: number;
  readonly damage: readonly Damage[];
  /** The last line was never finished: this many bytes of it. 0 when the end is whole. */
  readonly tornBytes: number;
  /** Cut the file to this length before appending to it. */
  readonly keepBytes: number;
}

/** A place where records are missing or not readable. */
export interface Damage {
  readonly line: number;
  /** A sentence that says what is wrong and what is lost. */
  readonly message: string;
  /** How many records are lost; null when the damage is at the end and nobody can know. */
  readonly recordsLost: number | null;
}

export function encodeHeader(): string {
  return `${JSON.stringify({ journal: "vbal", version: JOURNAL_VERSION })}\n`;
}

/** One line with its end. Its length is its size in bytes. */
export function encodeRecord(seq: number, record: JournalRecord): string {
  const body = asciiJson(record);
  return `{"seq":${seq},"crc":"${checksum(seq, body)}","record":${body}}\n`;
}

/** Reads a whole file, or says why it is none of ours. */
export function decodeJournal<Event = unknown, State = unknown>(
  latin1: string,
): Journal<Event, State> | { readonly unreadable: string } {
  const wholeBytes = latin1.lastIndexOf("\n") + 1;
  const tornBytes = latin1.length - wholeBytes;
  const lines = latin1.slice(0, wholeBytes).split("\n").slice(0, -1);
  // A daemon that was killed before its header was whole left nothing to lose.
  if (lines.length === 0) return { records: [], nextSeq: 1, damage: [], tornBytes, keepBytes: 0 };
  const unreadable = headerProblem(lines[0]!);
  if (unreadable !== null) return { unreadable };
  const records: NumberedRecord<Event, State>[] = [];
  const damage: Damage[] = [];
  let nextSeq = 1;
  let firstBadLine: number | null = null;
  for (const [index, text] of lines.entries()) {
    if (index === 0) continue;
    const line = index + 1;
    const decoded = decodeLine<Event, State>(text);
    if (decoded === null || decoded.seq < nextSeq) {
      firstBadLine ??= line;
      continue;
    }
    if (nextSeq < decoded.seq || firstBadLine !== null)
      damage.push(lostBetween(nextSeq, decoded.seq, firstBadLine ?? line));
    records.push({ ...decoded, line });
    nextSeq = decoded.seq + 1;
    firstBadLine = null;
  }
  if (firstBadLine !== null) {
    const bad = lines.length - firstBadLine + 1;
    damage.push({
      line: firstBadLine,
      message: `Line ${firstBadLine} and all after it (${bad} in all) are damaged; what follows record ${nextSeq - 1} is lost`,
      recordsLost: null,
    });
  }
  return { records, nextSeq, damage, tornBytes, keepBytes: wholeBytes };
}

function headerProblem(line: string): string | null {
  let header: unknown;
  try {
    header = JSON.parse(line);
  } catch {
    header = null;
  }
  const { journal, version } = (header ?? {}) as { journal?: unknown; version?: unknown };
  if (journal !== "vbal")
    return "This is not a journal of vbal: its first line does not say so. Name another file";
  if (version === JOURNAL_VERSION) return null;
  return `This journal has version ${String(version)}, and this vbal reads version ${JOURNAL_VERSION}. Use the vbal that wrote it`;
}

function decodeLine<Event, State>(
  text: string,
): { readonly seq: number; readonly record: JournalRecord<Event, State> } | null {
  const match = /^\{"seq":(\d{1,15}),"crc":"([0-9a-f]{8})","record":(.*)\}$/.exec(text);
  if (match === null) return null;
  const [, seq, crc, body] = match as unknown as [string, string, string, string];
  // The checksum vouches for the body: it is what `encodeRecord` wrote, so it is JSON of the right form.
  if (checksum(Number(seq), body) !== crc) return null;
  return { seq: Number(seq), record: JSON.parse(body) as JournalRecord<Event, State> };
}

function lostBetween(expected: number, found: number, line: number): Damage {
  const recordsLost = found - expected;
  if (recordsLost === 0) {
    return { line, message: `Line ${line} is no record; every record around it is there`, recordsLost };
  }
  const which = recordsLost === 1 ? `Record ${expected} is` : `Records ${expected} to ${found - 1} are`;
  return { line, message: `${which} lost: damaged or missing from line ${line} on`, recordsLost };
}

function checksum(seq: number, body: string): string {
  return crc32(`${seq} ${body}`).toString(16).padStart(8, "0");
}

/** JSON in which every character above ASCII is escaped. */
function asciiJson(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
