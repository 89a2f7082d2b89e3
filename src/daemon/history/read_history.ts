/** Reads the history for the API, on a connection of its own that can change nothing. */
import { statSync } from "node:fs";
import Database from "libsql";
import type { Column, HistorySeries, HistoryView } from "../../protocol/api_history.ts";
import { HISTORY_LEVELS } from "./history_levels.ts";
import {
  DISPATCHES_SINCE,
  INTERRUPTS_SINCE,
  SPINNING_SINCE,
  STACKING_SINCE,
  SWITCHES_SINCE,
} from "./history_schema.ts";

export interface HistoryQuestion {
  readonly kind: HistoryView["kind"];
  readonly name: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** At most so many; at least 2. */
  readonly points: number;
}

const SECOND_MS = 1_000;
/** The columns of the table, with how those of several rows become one. */
const COLUMNS = {
  runMilliPcpu: "avg(run)",
  runMaxMilliPcpu: "max(runMax)",
  waitMilliPcpu: "avg(wait)",
  stealMilliPcpu: "avg(steal)",
  dispatchesPerSecond: "avg(dispatches)",
  interruptsPerSecond: "avg(interrupts)",
  switchesPerSecond: "avg(switches)",
  spinningPart: "avg(spinning)",
  inKernelPart: "avg(inKernel) / 1000",
  stackingPart: "avg(stacking) / 1000",
  online: "avg(online)",
  target: "avg(target)",
  entitlementMilliPcpu: "avg(entitlement)",
  requests: "sum(requests)",
  denials: "sum(denials)",
  changes: "sum(changes)",
} as const satisfies Record<keyof HistorySeries, string>;

const NAMES = Object.keys(COLUMNS) as (keyof HistorySeries)[];

type Row = { readonly at: number } & Readonly<Record<keyof HistorySeries, number | null>>;

/** A reader of the history at `path`. Its calls throw when the file cannot be read; nothing recorded is a view without points. */
export class HistoryReader {
  readonly #path: string;
  /** Kept open, because the library closes a connection only when memory is collected. */
  #open: { readonly db: Database.Database; readonly file: string } | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  read(question: HistoryQuestion): HistoryView {
    const db = this.#connection();
    const found = db === null ? NOTHING : look(db, question);
    const index = new Map(found.rows.map(({ at }, i) => [at, i]));
    return {
      kind: question.kind,
      name: question.name,
      fromMs: question.fromMs,
      toMs: question.toMs,
      pointSeconds: found.point,
      atMs: found.rows.map(({ at }) => at * SECOND_MS),
      series: Object.fromEntries(
        NAMES.map((name) => [name, found.rows.map((row) => row[name])]),
      ) as unknown as HistorySeries,
      measures: measureColumns(found.measures, index),
    };
  }

  close(): void {
    this.#open?.db.close();
    this.#open = null;
  }

  /** Anew where the file is another one: a damaged one is set aside. `null`: there is none yet. */
  #connection(): Database.Database | null {
    const found = statSync(this.#path, { throwIfNoEntry: false });
    const file = found === undefined ? null : `${found.dev} ${found.ino}`;
    if (this.#open?.file !== file) this.close();
    if (file === null) return null;
    if (this.#open === null) {
      const db = new Database(this.#path);
      // The library's own option for this does nothing.
      db.pragma("query_only = ON");
      this.#open = { db, file };
    }
    return this.#open.db;
  }
}

/** A stretch of time in seconds, and the level that it is asked of. */
interface Look {
  readonly from: number;
  readonly to: number;
  readonly level: number;
}

interface Found {
  /** How long a point is, in seconds. */
  readonly point: number;
  readonly rows: readonly Row[];
  readonly measures: readonly { readonly measure: string; readonly at: number; readonly value: number }[];
}

const NOTHING: Found = { point: 1, rows: [], measures: [] };

function look(db: Database.Database, asked: HistoryQuestion): Found {
  const [from, to] = [Math.floor(asked.fromMs / SECOND_MS), Math.ceil(asked.toMs / SECOND_MS)];
  const series = db
    .prepare("SELECT id FROM series WHERE kind = ? AND name = ?")
    .get(asked.kind, asked.name) as { id: number } | undefined;
  if (series === undefined) return NOTHING;
  const extents = HISTORY_LEVELS.map(({ span }) => extentOf(db, span, series.id));
  const level = levelFor(extents, { from, perPoint: (to - from) / asked.points });
  const { span } = HISTORY_LEVELS[level]!;
  // Points begin at multiples of their length, so that they stay where they are while time goes on; a stretch touches one more.
  const point = span * Math.max(1, Math.ceil((to - from) / (asked.points - 1) / span));
  const pieces = piecesOf(extents, { from, to, level });
  if (pieces.length === 0) return { ...NOTHING, point };
  const where = pieces.map(() => "(span = ? AND series = ? AND ? <= at AND at < ?)").join(" OR ");
  const values = pieces.flatMap((piece) => [piece.span, series.id, piece.from, piece.to]);
  const known = columnsOf(db);
  const columns = NAMES.map((name) => `${known[name]} AS ${name}`).join(", ");
  const bucket = `at - at % ${point}`;
  const rows = db.prepare(
    `SELECT ${bucket} AS bucket, ${columns} FROM sample WHERE ${where} GROUP BY bucket ORDER BY bucket`,
  );
  const measures = db.prepare(
    `SELECT measure, ${bucket} AS bucket, avg(value) AS value FROM measure WHERE ${where} GROUP BY measure, bucket ORDER BY measure`,
  );
  return {
    point,
    rows: (rows.all(...values) as (Row & { bucket: number })[]).map((row) => ({ ...row, at: row.bucket })),
    measures: (measures.all(...values) as { measure: string; bucket: number; value: number }[]).map(
      ({ measure, bucket, value }) => ({ measure, at: bucket, value }),
    ),
  };
}

/** A copy of an earlier daemon's history is read as it is. */
function columnsOf(db: Database.Database): Readonly<Record<keyof HistorySeries, string>> {
  const [version] = db.pragma("user_version") as unknown as { user_version: number }[];
  const unless = (since: number, column: string) => (version!.user_version < since ? "NULL" : column);
  return {
    ...COLUMNS,
    dispatchesPerSecond: unless(DISPATCHES_SINCE, COLUMNS.dispatchesPerSecond),
    interruptsPerSecond: unless(INTERRUPTS_SINCE, COLUMNS.interruptsPerSecond),
    switchesPerSecond: unless(SWITCHES_SINCE, COLUMNS.switchesPerSecond),
    spinningPart: unless(SPINNING_SINCE, COLUMNS.spinningPart),
    inKernelPart: unless(STACKING_SINCE, COLUMNS.inKernelPart),
    stackingPart: unless(STACKING_SINCE, COLUMNS.stackingPart),
  };
}

/** When a level's rows of one series begin; `null`: it has none. */
type Extent = { readonly oldest: number; readonly newest: number } | null;

function extentOf(db: Database.Database, span: number, series: number): Extent {
  const end = (order: "ASC" | "DESC") =>
    db
      .prepare(`SELECT at FROM sample WHERE span = ? AND series = ? ORDER BY at ${order} LIMIT 1`)
      .get(span, series) as { at: number } | undefined;
  const oldest = end("ASC");
  return oldest === undefined ? null : { oldest: oldest.at, newest: end("DESC")!.at };
}

/** The finest level that goes back far enough and whose rows are no longer than a point; at least one that has rows. */
function levelFor(
  extents: readonly Extent[],
  asked: { readonly from: number; readonly perPoint: number },
): number {
  const begins = extents.map((extent, i) =>
    extent === null ? Number.POSITIVE_INFINITY : extent.oldest + HISTORY_LEVELS[i]!.span,
  );
  // Nothing goes further back than the oldest row of all, which is of the coarsest level that has any.
  const begin = Math.max(asked.from, Math.min(...begins));
  const reaching = extents.findIndex((extent) => extent !== null && extent.oldest <= begin);
  const longEnough = HISTORY_LEVELS.findLastIndex(({ span }) => span <= asked.perPoint);
  const coarsest = extents.findLastIndex((extent) => extent !== null);
  return Math.min(Math.max(0, reaching, longEnough), Math.max(0, coarsest));
}

interface Piece {
  readonly span: number;
  readonly from: number;
  readonly to: number;
}

/**
 * Each stretch of time is read from one level: coarser ones than asked for where finer rows are gone, then the one asked for
 * as far as it is summed up, then finer ones for what is newer.
 */
function piecesOf(extents: readonly Extent[], { level, from, to }: Look): Piece[] {
  const pieces: Piece[] = [];
  let begin = from;
  for (let i = HISTORY_LEVELS.length - 1; 0 <= i; i--) {
    const [{ span }, extent] = [HISTORY_LEVELS[i]!, extents[i]];
    if (extent === null || extent === undefined) continue;
    const finer = level < i ? (extents.slice(level, i).findLast((other) => other !== null) ?? null) : null;
    const end = Math.min(to, finer?.oldest ?? extent.newest + span);
    if (end <= begin) continue;
    pieces.push({ span, from: begin, to: end });
    // The last row may reach beyond: what is finer goes on after it.
    begin = end + ((span - (end % span)) % span);
  }
  return pieces;
}

function measureColumns(
  measures: Found["measures"],
  index: ReadonlyMap<number, number>,
): HistoryView["measures"] {
  const byMeasure = new Map<string, (number | null)[]>();
  for (const { measure, at, value } of measures) {
    const place = index.get(at);
    if (place === undefined) continue;
    const values = byMeasure.get(measure) ?? Array.from<number | null>({ length: index.size }).fill(null);
    values[place] = value;
    byMeasure.set(measure, values);
  }
  return [...byMeasure].map(([measure, values]): { measure: string; values: Column } => ({
    measure,
    values,
  }));
}
