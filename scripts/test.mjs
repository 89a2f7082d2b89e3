// `npm test`: sets up what the machine lacks, checks types, style and format, runs the unit tests, those that draw
// many cases, the simulator's and the tests on real guests. A stage that cannot run fails and says what to install; nothing is skipped.
// What only the later stages need is fetched and built while the first ones run: it waits for mirrors, and compiles on one pCPU.
// Its last line is "N passed, N failed", counted from the test runner's own reports.
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setUp } from "./setup.mjs";

const ROOT = join(import.meta.dirname, "..");
const REPORTS = join(ROOT, "dist", "reports");

const wanted = process.argv.slice(2);
const stages = wanted.length > 0 ? wanted : ["static", "unit", "property", "sim", "lab"];

const totals = { passed: 0, failed: 0 };
await prepare("unit");
mkdirSync(REPORTS, { recursive: true });
const isDone = purposeOf(stages) === "unit" ? Promise.resolve() : setUpBeside(purposeOf(stages));

if (stages.includes("static")) {
  for (const script of ["types", "lint", "format"]) {
    const ended = run("npm", ["run", "--silent", script]);
    if (ended !== 0) fail(`npm run ${script} found something, see above`);
  }
}
if (stages.includes("unit")) vitest("unit");
await isDone;
const machine = await prepare(purposeOf(stages));
if (stages.includes("property")) vitest("property");
if (stages.includes("sim")) vitest("sim");
if (stages.includes("lab")) {
  if (machine.lab) for (const project of ["lab", "load"]) vitest(project);
  else fail(`The tests on real guests cannot run here: ${machine.why}`);
}

finish();

/** Here and now; what is there already takes no time. */
async function prepare(purpose) {
  try {
    return await setUp({ root: ROOT, purpose });
  } catch (error) {
    fail(error.message);
    return finish();
  }
}

/** As a process of its own, since each of its steps, and each stage, keeps its process waiting. Whether it succeeded shows afterwards. */
async function setUpBeside(purpose) {
  const child = spawn(process.execPath, [join(ROOT, "scripts", "setup.mjs"), "--for", purpose], {
    stdio: ["ignore", "inherit", "ignore"],
  });
  await once(child, "exit").catch(() => undefined);
}

/** What the machine needs for these stages. */
function purposeOf(stages) {
  if (stages.includes("lab")) return "test";
  return stages.includes("sim") ? "bench" : "unit";
}

function vitest(project) {
  const report = join(REPORTS, `${project}.json`);
  rmSync(report, { force: true });
  const ended = run("npx", [
    "--no-install",
    "vitest",
    "run",
    "--project",
    project,
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
  ]);
  if (!existsSync(report)) return fail(`The ${project} tests wrote no report`);
  const { numPassedTests, numFailedTests, numTotalTests } = JSON.parse(readFileSync(report, "utf8"));
  totals.passed += numPassedTests;
  totals.failed += numFailedTests;
  const unrun = numTotalTests - numPassedTests - numFailedTests;
  if (unrun !== 0) fail(`${unrun} of the ${project} tests were not run`);
  if (numTotalTests === 0) fail(`The ${project} stage ran no test`);
  // A suite that does not load fails without any of its tests being counted.
  if (ended !== 0 && numFailedTests === 0) fail(`The ${project} tests ended with ${ended}, see above`);
}

function finish() {
  console.log(`${totals.passed} passed, ${totals.failed} failed`);
  process.exit(totals.failed === 0 ? 0 : 1);
}

function fail(why) {
  console.error(`FAILED: ${why}`);
  totals.failed += 1;
}

function run(command, args) {
  const ended = spawnSync(command, args, { cwd: ROOT, stdio: ["ignore", "inherit", "inherit"] });
  return ended.status ?? 1;
}
