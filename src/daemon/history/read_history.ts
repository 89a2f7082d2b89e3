/** Reads the history for the API, on a connection of its own that can change nothing. */
import { existsSync } from "node:fs";
import Database from "libsql";
import type { Column, HistorySeries, HistoryView } from "../../protocol/api_history.ts";
import { HISTORY_LEVELS } from "./history_levels.ts";

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
  online: "avg(online)",
  target: "avg(target)",
  entitlementMilliPcpu: "avg(entitlement)",
  requests: "sum(requests)",
  denials: "sum(denials)",
  changes: "sum(changes)",
} as const satisfies Record<keyof HistorySeries, string>;

const NAMES = Object.keys(COLUMNS) as (keyof HistorySeries)[];

type Row = { readonly at: number } & Readonly<Record<keyof HistorySeries, number | null>>;

/** Throws when the file cannot be read; nothing recorded is a view without points. */
export function readHistory(path: string, question: HistoryQuestion): HistoryView {
  const [from, to] = [Math.floor(question.fromMs / SECOND_MS), Math.ceil(question.toMs / SECOND_MS)];
  const level = levelFor(to - from, question.points);
  const { span } = HISTORY_LEVELS[level]!;
  // Points begin at multiples of their length, so that they stay where they are while time goes on; the stretch touches one more.
  const point = span * Math.max(1, Math.ceil((to - from) / (question.points - 1) / span));
  const found = existsSync(path) ? look(path, { ...question, from, to, level, point }) : NOTHING;
  const index = new Map(found.rows.map(({ at }, i) => [at, i]));
  return {
    kind: question.kind,
    name: question.name,
    fromMs: question.fromMs,
    toMs: question.toMs,
    pointSeconds: point,
    atMs: found.rows.map(({ at }) => at * SECOND_MS),
    series: Object.fromEntries(
      NAMES.map((name) => [name, found.rows.map((row) => row[name])]),
    ) as unknown as HistorySeries,
    measures: measureColumns(found.measures, index),
  };
}

/** The finest whose rows are not many times the points; the finer ones fill in what it has not summed up yet. */
function levelFor(seconds: number, points: number): number {
  const wanted = seconds / points;
  const level = HISTORY_LEVELS.findLastIndex(({ span }) => span <= wanted);
  const covers = HISTORY_LEVELS.findIndex(({ keep }) => seconds <= keep);
  return Math.max(0, level, covers < 0 ? HISTORY_LEVELS.length - 1 : 0);
}

interface Look extends HistoryQuestion {
  /** In seconds. */
  readonly from: number;
  readonly to: number;
  readonly level: number;
  readonly point: number;
}

interface Found {
  readonly rows: readonly Row[];
  readonly measures: readonly { readonly measure: string; readonly at: number; readonly value: number }[];
}

const NOTHING: Found = { rows: [], measures: [] };

function look(path: string, asked: Look): Found {
  const db = new Database(path, { readonly: true } as Database.Options);
  try {
    const series = db
      .prepare("SELECT id FROM series WHERE kind = ? AND name = ?")
      .get(asked.kind, asked.name) as { id: number } | undefined;
    if (series === undefined) return NOTHING;
    const pieces = piecesOf(db, series.id, asked);
    const where = pieces.map(() => "(span = ? AND series = ? AND ? <= at AND at < ?)").join(" OR ");
    const values = pieces.flatMap(({ span, from, to }) => [span, series.id, from, to]);
    const columns = NAMES.map((name) => `${COLUMNS[name]} AS ${name}`).join(", ");
    const bucket = `at - at % ${asked.point}`;
    const rows = db.prepare(
      `SELECT ${bucket} AS bucket, ${columns} FROM sample WHERE ${where} GROUP BY bucket ORDER BY bucket`,
    );
    const measures = db.prepare(
      `SELECT measure, ${bucket} AS at, avg(value) AS value FROM measure WHERE ${where} GROUP BY measure, ${bucket} ORDER BY measure`,
    );
    return {
      rows: (rows.all(...values) as (Row & { bucket: number })[]).map((row) => ({ ...row, at: row.bucket })),
      measures: measures.all(...values) as Found["measures"] & unknown[],
    };
  } finally {
    db.close();
  }
}

/** Each stretch of time is read from one level: from the coarsest that is asked for, as far as it is summed up, and what is newer from finer ones. */
function piecesOf(
  db: Database.Database,
  series: number,
  { level, from, to }: Look,
): { span: number; from: number; to: number }[] {
  const pieces: { span: number; from: number; to: number }[] = [];
  // What finer levels have forgotten may still be in coarser ones, so that these come first.
  let begin = from;
  for (let i = HISTORY_LEVELS.length - 1; 0 <= i; i--) {
    const { span } = HISTORY_LEVELS[i]!;
    const bounds = db
      .prepare("SELECT min(at) AS oldest, max(at) AS newest FROM sample WHERE span = ? AND series = ?")
      .get(span, series) as {
      oldest: number | null;
      newest: number | null;
    };
    if (bounds.newest === null) continue;
    const finer = level < i ? oldestOf(db, HISTORY_LEVELS[i - 1]!.span, series) : null;
    const end = Math.min(to, finer ?? bounds.newest + span);
    if (begin < end) pieces.push({ span, from: begin, to: end });
    // The last row may reach beyond: what is finer goes on after it.
    if (begin < end) begin = end + ((span - (end % span)) % span);
  }
  return pieces;
}

function oldestOf(db: Database.Database, span: number, series: number): number | null {
  const found = db
    .prepare("SELECT min(at) AS at FROM sample WHERE span = ? AND series = ?")
    .get(span, series) as { at: number | null };
  return found.at;
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
