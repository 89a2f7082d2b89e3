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
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { ControllerState } from "../core/controller_state.ts";
import type { ControllerEvent } from "../core/event.ts";
import type { Policy } from "../core/policy.ts";
import type { Milliseconds } from "../core/units.ts";
import {
  decodeJournal,
  encodeHeader,
  encodeRecord,
  type Journal,
  type JournalRecord,
} from "../protocol/journal.ts";
import { type FileLock, lockFile } from "./file_lock.ts";
import { replay } from "./replay.ts";

type ControllerJournalRecord = JournalRecord<ControllerEvent, ControllerState>;

/** So many files are kept, the current one among them: PATH, PATH.1, PATH.2 ... Records are numbered in each anew. */
const FILES_KEPT = 4;
/** It tells who runs where, and a changed one would make the next start put back what never was. */
const FILE_MODE = 0o600;

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
  #lock: FileLock | null = null;
  #fd: number | null = null;
  #bytes = 0;
  #seq = 1;
  #faulty = false;
  #closed = false;

  constructor(options: JournalOptions) {
    this.#options = options;
  }

  /** Of the current file. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * The state that an earlier life left, or null. Opens the file for appending; throws, with what to do, when that is
   * impossible, for without it nobody would know after a kill what to put back. Two daemons never write the same one,
   * whatever their control sockets: PATH.lock is locked until `close`.
   */
  recover(): ControllerState | null {
    const { path } = this.#options;
    try {
      mkdirSync(dirname(path), { recursive: true });
      this.#own(path);
      const journal = this.#read(path);
      this.#fd = openSync(path, "a", FILE_MODE);
      if (journal.tornBytes > 0) ftruncateSync(this.#fd, journal.keepBytes);
      this.#bytes = journal.keepBytes;
      this.#seq = journal.nextSeq;
      if (this.#bytes === 0) this.#write(encodeHeader());
      // A power cut may leave the newest file empty; what it should begin with stands at the end of the one before.
      const records = journal.records.length > 0 ? journal.records : this.#read(aged(path, 1)).records;
      return records.length === 0 ? null : replay(records, "checkpoint").state;
    } catch (error) {
      if (error instanceof UnusableJournal) throw error;
      throw new UnusableJournal(
        `The journal ${path} cannot be used (${String(error)}); check journal.path, its folder's rights and free space`,
      );
    }
  }

  /**
   * Never throws. `beginning` gives the state with `record` taken in already, and is asked for when a new file is
   * begun: after the record that filled the old file, or in place of an event that could not be written to it.
   */
  append(record: ControllerJournalRecord, beginning: () => Beginning): void {
    if (this.#closed) return;
    try {
      if (this.#fd === null) this.#begin(beginning());
      else this.#number(record);
      if (this.#options.maxBytes < this.#bytes) this.#begin(beginning());
      if (this.#faulty) this.#options.onFault(`The journal ${this.#options.path} is written again`);
      this.#faulty = false;
    } catch (error) {
      if (!this.#faulty) {
        this.#options.onFault(
          [
            `Cannot write the journal ${this.#options.path} (${String(error)}); control goes on, but what is decided`,
            "from now on is not kept. Make room, or check its folder's rights",
          ].join(" "),
        );
      }
      this.#faulty = true;
      this.#abandon();
    }
  }

  close(): void {
    this.#closed = true;
    this.#letGo();
    this.#lock?.release();
    this.#lock = null;
  }

  #own(path: string): void {
    const taken = lockFile(`${path}.lock`);
    if ("lock" in taken) {
      this.#lock = taken.lock;
      return;
    }
    const who = taken.heldBy === null ? "another process" : `process ${taken.heldBy}`;
    throw new UnusableJournal(
      `The journal ${path} is in use by another vbal daemon (${who}); stop it first, or set journal.path to another path`,
    );
  }

  /** After a fault the file may end in half a record: the next one to be written starts a new file. */
  #abandon(): void {
    try {
      this.#letGo();
    } catch {
      // It could not be written either; there is nothing left to save.
      this.#fd = null;
    }
  }

  #letGo(): void {
    const fd = this.#fd;
    this.#fd = null;
    if (fd !== null) closeSync(fd);
  }

  /** The older files move on only when the new one holds its checkpoint: a full disk must not cost what they know. */
  #begin(beginning: Beginning): void {
    const { path } = this.#options;
    this.#letGo();
    this.#fd = openSync(`${path}.new`, "w", FILE_MODE);
    this.#bytes = 0;
    this.#seq = 1;
    this.#write(encodeHeader());
    this.#number({ kind: "checkpoint", ...beginning });
    for (let age = FILES_KEPT - 1; 1 <= age; age--) {
      if (existsSync(aged(path, age - 1))) renameSync(aged(path, age - 1), aged(path, age));
    }
    renameSync(`${path}.new`, path);
  }

  #number(record: ControllerJournalRecord): void {
    this.#write(encodeRecord(this.#seq, record));
    this.#seq += 1;
  }

  #read(path: string): Journal<ControllerEvent, ControllerState> {
    const text = existsSync(path) ? readFileSync(path, "latin1") : "";
    const journal = decodeJournal<ControllerEvent, ControllerState>(text);
    if ("unreadable" in journal) throw new UnusableJournal(`${path}: ${journal.unreadable}`);
    for (const { message } of journal.damage) this.#options.onFault(`${path}: ${message}`);
    return journal;
  }

  #write(text: string): void {
    if (this.#fd === null) throw new Error("The journal is not open");
    const written = writeSync(this.#fd, text);
    this.#bytes += written;
    // The text is ASCII, so that its length is its bytes.
    if (written < text.length) throw new Error(`only ${written} of ${text.length} bytes fit on the disk`);
  }
}

class UnusableJournal extends Error {}

function aged(path: string, age: number): string {
  return age === 0 ? path : `${path}.${age}`;
}
