/** A sweep as a process of its own, for the test that kills it: study file, folder, workers, worker file. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { openRunLog } from "../runs/run_log.ts";
import { createRunPool } from "../runs/run_pool.ts";
import { parseStudy } from "./study.ts";
import { sweep } from "./sweep.ts";
import { writeSweep } from "./write_sweep.ts";

const [file, folder, workers, workerFile] = process.argv.slice(2) as [string, string, string, string];
const parsed = parseStudy({ file, text: readFileSync(file, "utf8") }, (path) =>
  readFileSync(join(dirname(file), path), "utf8"),
);
if ("faults" in parsed) throw new Error(JSON.stringify(parsed.faults));
const log = openRunLog(join(folder, "runs.log"), "test");
const pool = createRunPool({ workers: Number(workers), workerFile: pathToFileURL(workerFile) });
const rows = await sweep(parsed.value, { pool, log, onProgress: () => {} });
await pool.close();
log.close();
writeSweep(folder, parsed.value, { rows, version: "0.0.0", program: "test" });
