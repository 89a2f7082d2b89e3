/**
 * Writes the rows of a sweep: results.csv, results.parquet, and manifest.json, which says what they are results of. No
 * file names a time, a host or a number of workers: equal studies and programs give equal bytes.
 */
import { createHash } from "node:crypto";
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parquetWriteBuffer } from "hyparquet-writer";
import { renderCsv } from "../../sim/output/render_csv.ts";
import type { Cell, FlatRow } from "../runs/flat_row.ts";
import type { Study } from "./study.ts";

export interface SweepFiles {
  readonly csv: string;
  readonly parquet: string;
  readonly manifest: string;
}

/** `program` names the build that made the rows, `version` its release. */
export function writeSweep(
  folder: string,
  study: Study,
  made: { readonly rows: readonly FlatRow[]; readonly version: string; readonly program: string },
): SweepFiles {
  const { rows, version, program } = made;
  const csv = Buffer.from(`${renderCsv(rows)}\n`, "utf8");
  const parquet = Buffer.from(parquetOf(rows));
  const manifest = {
    format: "vbal-sweep",
    version: 1,
    study: study.name,
    why: study.why,
    studyDigest: study.digest,
    vbal: version,
    program,
    seeds: [...new Set(study.cases.map(({ scenario }) => scenario.config.seed))],
    replications: study.replications,
    phaseNs: study.phaseNs,
    runs: rows.length,
    cases: study.cases.map(({ index, values, scenario }) => ({
      case: index,
      configHash: scenario.configHash,
      values,
    })),
    sha256: { "results.csv": sha256(csv), "results.parquet": sha256(parquet) },
  };
  return {
    csv: whole(join(folder, "results.csv"), csv),
    parquet: whole(join(folder, "results.parquet"), parquet),
    manifest: whole(
      join(folder, "manifest.json"),
      Buffer.from(`${JSON.stringify(manifest, null, 1)}\n`, "utf8"),
    ),
  };
}

/** A kill leaves the old file or the new one, never half of one. */
function whole(file: string, bytes: Buffer): string {
  writeFileSync(`${file}.part`, bytes);
  renameSync(`${file}.part`, file);
  return file;
}

function parquetOf(rows: readonly FlatRow[]): ArrayBuffer {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  return parquetWriteBuffer({
    columnData: names.map((name) =>
      columnOf(
        name,
        rows.map((row) => row[name] ?? null),
      ),
    ),
    createdBy: "vbal",
  });
}

/** Numbers are doubles, whatever their values, so that a column has one type in every study; a mixed column is text. */
function columnOf(name: string, cells: readonly Cell[]) {
  const kinds = new Set(cells.filter((cell) => cell !== null).map((cell) => typeof cell));
  if (kinds.size <= 1 && !kinds.has("string")) {
    const type = kinds.has("boolean") ? ("BOOLEAN" as const) : ("DOUBLE" as const);
    return { name, type, nullable: true, data: [...cells] };
  }
  const data = cells.map((cell) => (cell === null ? null : String(cell)));
  return { name, type: "STRING" as const, nullable: true, data };
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
