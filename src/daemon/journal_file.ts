/**
 * The journal on disk: appended to before anything is done, bounded in size, and read at the start to know what an
 * earlier life found and changed. A disk that is full stops the journal, never the control: the loop goes on, the fault
 * is told, and a checkpoint is written as soon as there is room again.
 */
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { ControllerState } from "../core/controller_state.ts";
import type { ControllerEvent } from "../core/event.ts";
import type { Policy } from "../core/policy.ts";
import type { Milliseconds } from "../core/units.ts";
import { decodeJournal, encodeHeader, encodeRecord, type JournalRecord } from "../protocol/journal.ts";
import { replay } from "./replay.ts";

type ControllerJournalRecord = JournalRecord<ControllerEvent, ControllerState>;

/** The current file and so many older ones are kept: PATH, PATH.1, PATH.2 ... */
const FILES_KEPT = 4;

export interface JournalOptions {
  readonly path: string;
  /** Of one file. */
  readonly maxBytes: number;
  readonly onFault: (message: string) => void;
}

/** What a new file begins with, so that it can be replayed without the older ones. */
export interface Beginning {
  readonly now: Milliseconds;
  readonly policy: Policy;
  readonly state: ControllerState;
}

export class JournalFile {
  readonly #options: JournalOptions;
  #fd: number | null = null;
  #bytes = 0;
  #seq = 1;
  #faulty = false;

  constructor(options: JournalOptions) {
    this.#options = options;
  }

  /** The state that an earlier life left, or null. Opens the file for appending; throws when that is impossible. */
  recover(): ControllerState | null {
    const { path, onFault } = this.#options;
    mkdirSync(dirname(path), { recursive: true });
    const text = existsSync(path) ? readFileSync(path, "latin1") : "";
    const journal = decodeJournal<ControllerEvent, ControllerState>(text);
    if ("unreadable" in journal) throw new Error(`${path}: ${journal.unreadable}`);
    for (const { message } of journal.damage) onFault(`${path}: ${message}`);
    this.#fd = openSync(path, "a");
    if (journal.tornBytes > 0) ftruncateSync(this.#fd, journal.keepBytes);
    this.#bytes = journal.keepBytes;
    this.#seq = journal.nextSeq;
    if (this.#bytes === 0) this.#write(encodeHeader());
    return journal.records.length === 0 ? null : replay(journal.records, "checkpoint").state;
  }

  /**
   * Never throws. `beginning` gives the state with `record` taken in already, and is asked for when a new file is
   * begun: after the record that filled the old file, or in place of an event that could not be written to it.
   */
  append(record: ControllerJournalRecord, beginning: () => Beginning): void {
    try {
      if (this.#fd === null) this.#begin(beginning());
      else this.#number(record);
      if (this.#options.maxBytes < this.#bytes) this.#rotate(beginning());
      this.#faulty = false;
    } catch (error) {
      if (!this.#faulty) {
        this.#options.onFault(
          [
            `Cannot write the journal ${this.#options.path} (${String(error)}); control goes on, but decisions`,
            "from now on cannot be replayed. Make room, or check its folder's rights",
          ].join(" "),
        );
      }
      this.#faulty = true;
      this.#abandon();
    }
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  /** After a fault the file may end in half a record: the next one to be written starts a new file. */
  #abandon(): void {
    try {
      this.close();
    } catch {
      // It could not be written either; there is nothing left to save.
      this.#fd = null;
    }
  }

  #begin(beginning: Beginning): void {
    this.#shift();
    this.#fd = openSync(this.#options.path, "a");
    this.#bytes = 0;
    this.#write(encodeHeader());
    this.#number({ kind: "checkpoint", ...beginning });
  }

  #number(record: ControllerJournalRecord): void {
    this.#write(encodeRecord(this.#seq, record));
    this.#seq += 1;
  }

  #rotate(beginning: Beginning): void {
    this.close();
    this.#begin(beginning);
  }

  #shift(): void {
    const { path } = this.#options;
    rmSync(`${path}.${FILES_KEPT - 1}`, { force: true });
    for (let age = FILES_KEPT - 2; 0 <= age; age--) {
      const from = age === 0 ? path : `${path}.${age}`;
      if (existsSync(from)) renameSync(from, `${path}.${age + 1}`);
    }
  }

  #write(text: string): void {
    if (this.#fd === null) throw new Error("The journal is not open");
    this.#bytes += writeSync(this.#fd, text);
  }
}
