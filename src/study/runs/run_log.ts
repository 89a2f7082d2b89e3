/**
 * The finished runs of a study on disk: a line each, appended the moment it is done, so that a study that was killed
 * goes on where it stopped. A line is the CRC-32 of the text behind it, a space, and that text in ASCII JSON; the first
 * line names the study. A line that was cut short by a kill is found by its checksum and cut off.
 *
 * What `append` has returned from is in the kernel's hands and survives kill -9 of this process; it is forced to the
 * disk every `FORCE_EVERY` lines and at the end, for the case that the machine dies too.
 */
import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, readFileSync, writeSync } from "node:fs";
import { crc32 } from "../../protocol/crc32.ts";
import type { FlatRow } from "./flat_row.ts";

export interface RunLog {
  /** By the key under which they were appended. */
  readonly rows: ReadonlyMap<string, FlatRow>;
  readonly append: (key: string, row: FlatRow) => void;
  readonly close: () => void;
}

interface Entry {
  readonly key: string;
  readonly row: FlatRow;
}

const FORCE_EVERY = 64;

/** Throws when the file is the log of another study: `study` names what these rows are results of. */
export function openRunLog(file: string, study: string): RunLog {
  const rows = new Map<string, FlatRow>();
  const { lines, bytes } = existsSync(file)
    ? intactLines(readFileSync(file, "latin1"))
    : { lines: [], bytes: 0 };
  const header = lines.shift();
  if (header !== undefined && header !== headerOf(study)) {
    throw new Error(
      `${file} holds the runs of another study or of another version of vbal. Name another folder, or remove this one`,
    );
  }
  for (const line of lines) {
    const { key, row } = JSON.parse(line) as Entry;
    rows.set(key, row);
  }
  const fd = openSync(file, "a");
  ftruncateSync(fd, bytes);
  const write = (text: string): void => void writeSync(fd, `${checksum(text)} ${text}\n`, null, "latin1");
  if (header === undefined) write(headerOf(study));
  let unforced = 0;
  return {
    rows,
    append: (key, row) => {
      rows.set(key, row);
      write(ascii({ key, row } satisfies Entry));
      if (++unforced === FORCE_EVERY) {
        fsyncSync(fd);
        unforced = 0;
      }
    },
    close: () => {
      fsyncSync(fd);
      closeSync(fd);
    },
  };
}

function headerOf(study: string): string {
  return ascii({ format: "vbal-runs", version: 1, study });
}

/** The lines up to the first that is damaged, and how many bytes they take. */
function intactLines(text: string): { readonly lines: string[]; readonly bytes: number } {
  const lines: string[] = [];
  let bytes = 0;
  while (bytes < text.length) {
    const end = text.indexOf("\n", bytes);
    if (end === -1) break;
    const line = text.slice(bytes, end);
    const body = line.slice(CHECKSUM_CHARACTERS + 1);
    if (line.slice(0, CHECKSUM_CHARACTERS) !== checksum(body)) break;
    lines.push(body);
    bytes = end + 1;
  }
  return { lines, bytes };
}

const CHECKSUM_CHARACTERS = 8;

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(CHECKSUM_CHARACTERS, "0");
}

/** JSON with everything beyond ASCII escaped, since the checksum is over bytes. */
function ascii(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
