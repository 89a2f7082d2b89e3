/**
 * The history's database: SQLite in WAL mode, so that a kill at any instant leaves what was committed and readers never
 * wait for the writer. Synchronous, hence for a thread of its own (history_thread.ts).
 */
import { closeSync, existsSync, mkdirSync, openSync, renameSync } from "node:fs";
import { dirname } from "node:path";
import Database from "libsql";
import { HISTORY_LEVELS } from "./history_levels.ts";
import type { HistoryRow, HistorySample } from "./history_sample.ts";
import { bringUpToDate } from "./history_schema.ts";

/** It tells who runs where. */
const FILE_MODE = 0o600;
const PAGE_BYTES = 4_096;
/** Old rows go when so much of the room is taken: the rest is for what comes until the next look. */
const FULL_AT = 0.9;
/** Of the level that takes most, the oldest tenth goes at a time. */
const PRUNED_PART = 0.1;
/** Looks at what is too old, and sums up: once a minute of samples. */
const TEND_EVERY_SECONDS = 60;

export interface HistoryStoreOptions {
  readonly path: string;
  /** Of the database; its log may add some megabytes until the next checkpoint. */
  readonly maxBytes: number;
  readonly onFault: (message: string) => void;
}

export class HistoryStore {
  readonly #options: HistoryStoreOptions;
  #db: Database.Database;
  readonly #statements = new Map<string, Database.Statement>();
  #tendedAt: number;

  /** Opens the file; one that is damaged is set aside and told. Throws when there cannot be any. */
  constructor(options: HistoryStoreOptions) {
    this.#options = options;
    mkdirSync(dirname(options.path), { recursive: true });
    this.#db = this.#open();
    this.#tendedAt = Number.NEGATIVE_INFINITY;
  }

  /** One transaction. Throws when the disk is full or fails; nothing of the samples is kept then. */
  write(...samples: readonly HistorySample[]): void {
    const newest = samples.at(-1);
    if (newest === undefined) return;
    try {
      this.#makingRoom(() => this.#write(samples));
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#startAnew(error);
      this.#write(samples);
    }
    if (newest.at < this.#tendedAt + TEND_EVERY_SECONDS) return;
    this.#tendedAt = newest.at;
    this.#makingRoom(() => this.#sumUp(newest.at));
    this.#forgetOld(newest.at);
    while (this.#isNearlyFull() && this.#pruneOldest());
  }

  /** What is in use; pages that were freed are used again. */
  get bytes(): number {
    return PAGE_BYTES * (this.#number("page_count") - this.#number("freelist_count"));
  }

  close(): void {
    this.#letGo();
  }

  /** What is in the log goes into the file, so that it is whole by itself; the library itself closes later than it is told. */
  #letGo(): void {
    try {
      this.#db.pragma("wal_checkpoint(TRUNCATE)");
    } finally {
      this.#statements.clear();
      this.#db.close();
    }
  }

  /** Prepared once: the library lets go of a statement only when memory is collected. */
  #sql(text: string): Database.Statement {
    const known = this.#statements.get(text);
    if (known !== undefined) return known;
    const statement = this.#db.prepare(text);
    this.#statements.set(text, statement);
    return statement;
  }

  /** All or nothing. A full disk ends a transaction by itself, and undoing it once more would hide why. */
  #atOnce(work: () => void): void {
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      work();
      this.#db.exec("COMMIT");
    } catch (error) {
      if (this.#db.inTransaction) this.#db.exec("ROLLBACK");
      throw error;
    }
  }

  /**
   * At the bound, what is oldest goes until the work is done: rows of many domains lie on pages of their own, so that a
   * tenth of them need not free any. If it is the disk that is full, more than the first tenth would go for nothing.
   */
  #makingRoom(work: () => void): void {
    for (let pruned = false; ; pruned = true) {
      try {
        work();
        return;
      } catch (error) {
        if (!isFull(error) || (pruned && !this.#isNearlyFull()) || !this.#pruneOldest()) throw error;
      }
    }
  }

  #isNearlyFull(): boolean {
    return FULL_AT * this.#options.maxBytes < this.bytes;
  }

  #open(): Database.Database {
    const { path } = this.#options;
    try {
      return prepared(path, this.#options.maxBytes);
    } catch (error) {
      if (!existsSync(path) || !isDamage(error)) throw error;
      this.#setAside(error);
      return prepared(path, this.#options.maxBytes);
    }
  }

  #startAnew(error: unknown): void {
    this.#statements.clear();
    this.#db.close();
    this.#setAside(error);
    this.#db = prepared(this.#options.path, this.#options.maxBytes);
  }

  #setAside(error: unknown): void {
    const { path, onFault } = this.#options;
    let number = 1;
    while (existsSync(`${path}.damaged.${number}`)) number += 1;
    const aside = `${path}.damaged.${number}`;
    for (const part of ["", "-wal", "-shm"]) {
      if (existsSync(path + part)) renameSync(path + part, aside + part);
    }
    onFault(
      `The history ${path} is damaged (${messageOf(error)}); it was set aside as ${aside}, and a new one is begun. Delete it when nobody wants to look at it`,
    );
  }

  /** In three statements, whatever there is to write: each one that is run costs as much as dozens of rows. */
  #write(samples: readonly HistorySample[]): void {
    const rows = JSON.stringify(samples.flatMap(({ at, rows }) => rows.map((row) => sampleRow(at, row))));
    const measures = JSON.stringify(
      samples.flatMap((sample) =>
        sample.measures.map(({ domain, measure, value }) => [domain, measure, sample.at, value]),
      ),
    );
    this.#atOnce(() => {
      this.#sql(NAME_SERIES).run(rows);
      this.#sql(KEEP_SAMPLES).run(rows);
      this.#sql(KEEP_MEASURES).run(measures);
    });
  }

  /** Whole minutes from seconds, whole hours from minutes. Doing it twice changes nothing, so that a kill in between does not. */
  #sumUp(now: number): void {
    this.#atOnce(() => {
      for (let i = 1; i < HISTORY_LEVELS.length; i++) {
        const [fine, { span }] = [HISTORY_LEVELS[i - 1]!.span, HISTORY_LEVELS[i]!];
        const until = now - (now % span);
        const done = this.#newest(span);
        // Also after a pause: what is not summed up yet is still there, since it is forgotten afterwards.
        const from = done === null ? 0 : done + span;
        if (until <= from) continue;
        this.#sql(
          `INSERT OR REPLACE INTO sample
             SELECT ?, series, at - at % ?, avg(run), max(runMax), avg(wait), avg(steal), avg(online), avg(target),
               avg(entitlement), sum(requests), sum(denials), sum(changes), avg(dispatches), avg(interrupts),
               avg(spinning), avg(stacking), avg(inKernel), avg(switches)
             FROM sample WHERE span = ? AND series IN (SELECT id FROM series) AND ? <= at AND at < ? GROUP BY series, at - at % ?`,
        ).run(span, span, fine, from, until, span);
        this.#sql(
          `INSERT OR REPLACE INTO measure SELECT ?, series, measure, at - at % ?, avg(value)
             FROM measure WHERE span = ? AND ? <= at AND at < ? GROUP BY series, measure, at - at % ?`,
        ).run(span, span, fine, from, until, span);
      }
    });
  }

  #forgetOld(now: number): void {
    this.#atOnce(() => {
      for (const { span, keep } of HISTORY_LEVELS) this.#forgetBefore(span, now - keep);
      const spans = HISTORY_LEVELS.map(({ span }) => span).join(", ");
      this.#db.exec(
        `DELETE FROM series WHERE NOT EXISTS
         (SELECT 1 FROM sample WHERE sample.span IN (${spans}) AND sample.series = series.id)`,
      );
    });
  }

  /** False when there is nothing left to drop. */
  #pruneOldest(): boolean {
    const counts = this.#sql(
      "SELECT span, count(*) AS rows, min(at) AS oldest, max(at) AS newest FROM sample GROUP BY span",
    );
    const largest = (counts.all() as { span: number; rows: number; oldest: number; newest: number }[]).sort(
      (a, b) => b.rows - a.rows,
    )[0];
    if (largest === undefined || largest.oldest === largest.newest) return false;
    const { span, oldest, newest } = largest;
    this.#atOnce(() => {
      this.#forgetBefore(span, oldest + Math.max(span, Math.ceil(PRUNED_PART * (newest - oldest))));
    });
    return true;
  }

  #forgetBefore(span: number, at: number): void {
    this.#sql("DELETE FROM sample WHERE span = ? AND series IN (SELECT id FROM series) AND at < ?").run(
      span,
      at,
    );
    this.#sql("DELETE FROM measure WHERE span = ? AND at < ?").run(span, at);
  }

  #newest(span: number): number | null {
    const ofEach =
      "SELECT (SELECT max(at) FROM sample WHERE span = ? AND sample.series = series.id) AS at FROM series";
    const found = this.#sql(`SELECT max(at) AS at FROM (${ofEach})`).get(span) as {
      at: number | null;
    };
    return found.at;
  }

  #number(pragma: string): number {
    const [row] = this.#db.pragma(pragma) as unknown as Record<string, number>[];
    return row![pragma]!;
  }
}

const NAME_SERIES =
  "INSERT OR IGNORE INTO series (kind, name) SELECT value ->> 0, value ->> 1 FROM json_each(?)";

/** As KEEP_SAMPLES takes it apart: kind and name, then the columns behind span and series. */
function sampleRow(at: number, row: HistoryRow): unknown[] {
  const { run, wait, steal, online, target, entitlement, dispatches, interrupts } = row;
  const { requests, denials, changes, spinning, stacking, inKernel, switches } = row;
  const shares = [run, run, wait, steal, online, target, entitlement];
  const later = [dispatches, interrupts, spinning, permille(stacking), permille(inKernel), switches];
  return [row.kind, row.name, at, ...shares, requests, denials, changes, ...later];
}

/** A whole number takes two bytes where a fraction takes eight. */
function permille(part: number | null): number | null {
  return part === null ? null : Math.round(1_000 * part);
}

const KEEP_SAMPLES = `
  INSERT OR REPLACE INTO sample
    SELECT 1, series.id, ${Array.from({ length: 17 }, (_, n) => `value ->> ${n + 2}`).join(", ")}
    FROM json_each(?) JOIN series ON series.kind = value ->> 0 AND series.name = value ->> 1`;

const KEEP_MEASURES = `
  INSERT OR REPLACE INTO measure SELECT 1, series.id, value ->> 1, value ->> 2, value ->> 3
    FROM json_each(?) JOIN series ON series.kind = 'domain' AND series.name = value ->> 0`;

function prepared(path: string, maxBytes: number): Database.Database {
  // Its log and its index take over the mode.
  closeSync(openSync(path, "a", FILE_MODE));
  const db = new Database(path);
  try {
    const [mode] = db.pragma("journal_mode = WAL") as unknown as { journal_mode: string }[];
    if (mode?.journal_mode !== "wal") {
      throw new Error(
        `The history ${path} cannot keep a write-ahead log (it stays ${mode?.journal_mode}); put it on a local disk`,
      );
    }
    // A power cut may cost the last seconds, never the file.
    db.pragma("synchronous = NORMAL");
    const [check] = db.pragma("quick_check(1)") as unknown as { quick_check: string }[];
    if (check?.quick_check !== "ok") throw new DamagedHistory(check?.quick_check ?? "it cannot be checked");
    const unreadable = bringUpToDate(db);
    if (unreadable !== null) throw new DamagedHistory(unreadable);
    db.pragma(`max_page_count = ${Math.floor(maxBytes / PAGE_BYTES)}`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

class DamagedHistory extends Error {}

function isDamage(error: unknown): boolean {
  return (
    error instanceof DamagedHistory ||
    /malformed|not a database|SQLITE_CORRUPT|SQLITE_NOTADB/.test(messageOf(error))
  );
}

function isFull(error: unknown): boolean {
  return /full/.test(messageOf(error));
}

/** On one line. */
function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s+/g, " ");
}
