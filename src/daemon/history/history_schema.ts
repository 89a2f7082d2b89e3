/**
 * The history's tables, as a series of steps: a file that an earlier version wrote goes through those that it lacks, and loses
 * nothing. A column comes last, as SQLite adds it without writing a row anew, so that old and new files have the same order.
 */
import type Database from "libsql";

const FIRST = `
  CREATE TABLE series (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (kind, name));
  CREATE TABLE sample (
    span INTEGER NOT NULL, series INTEGER NOT NULL, at INTEGER NOT NULL,
    run REAL, runMax REAL, wait REAL, steal REAL, online REAL, target REAL, entitlement REAL,
    requests INTEGER NOT NULL, denials INTEGER NOT NULL, changes INTEGER NOT NULL,
    PRIMARY KEY (span, series, at)
  ) WITHOUT ROWID;
  CREATE TABLE measure (
    span INTEGER NOT NULL, series INTEGER NOT NULL, measure TEXT NOT NULL, at INTEGER NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (span, series, measure, at)
  ) WITHOUT ROWID;`;

/** Step n leads from version n to n + 1; version 0 is an empty file. */
const STEPS: readonly string[] = [
  FIRST,
  "ALTER TABLE sample ADD COLUMN dispatches REAL;",
  "ALTER TABLE sample ADD COLUMN interrupts REAL;",
  "ALTER TABLE sample ADD COLUMN spinning REAL;",
  "ALTER TABLE sample ADD COLUMN stacking REAL; ALTER TABLE sample ADD COLUMN inKernel REAL;",
  "ALTER TABLE sample ADD COLUMN switches REAL;",
];

/** In a file of an earlier version, sample.dispatches is not there. */
export const DISPATCHES_SINCE = 2;
/** The same of sample.interrupts. */
export const INTERRUPTS_SINCE = 3;
/** The same of sample.spinning. */
export const SPINNING_SINCE = 4;
/** The same of sample.stacking and sample.inKernel, which are in thousandths. */
export const STACKING_SINCE = 5;
/** The same of sample.switches. */
export const SWITCHES_SINCE = 6;

/** A killed daemon leaves the file at one version or at the next. `null`: done; else why the file cannot be used. */
export function bringUpToDate(db: Database.Database): string | null {
  const [found] = db.pragma("user_version") as unknown as { user_version: number }[];
  const version = found!.user_version;
  if (STEPS.length < version)
    return `it is of version ${version}, and this vbal knows those up to ${STEPS.length}`;
  for (let step = version; step < STEPS.length; step++) {
    db.exec(`BEGIN IMMEDIATE; ${STEPS[step]} PRAGMA user_version = ${step + 1}; COMMIT;`);
  }
  return null;
}
